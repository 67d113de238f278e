// Verifies signed calls of Cloud Functions. Nothing but Go is needed; body is the bytes as they arrived.
package main

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

const tolerance = 5 * time.Minute

func isRecent(at time.Time) bool {
	return time.Since(at).Abs() <= tolerance
}

func hmacSHA256(key []byte, message []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write(message)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// VerifyMedchat: path is path and query as they arrived (r.RequestURI), header is r.Header.Get. Secrets: two while one is rotated.
func VerifyMedchat(secrets []string, path string, header func(string) string, body []byte) bool {
	at, err := time.Parse("Mon, 02 Jan 2006 15:04:05 GMT", header("Date"))
	if err != nil || !isRecent(at) {
		return false
	}
	digest := md5.Sum(body)
	signed := fmt.Sprintf("POST\n%s\n%d\n%s", path, at.Unix(), base64.StdEncoding.EncodeToString(digest[:]))
	received := []byte(header("X-Medchat-Signature-Sha256"))
	for _, secret := range secrets {
		if hmac.Equal([]byte(hmacSHA256([]byte(secret), []byte(signed))), received) {
			return true
		}
	}
	return false
}

func VerifyStandardWebhooks(secrets []string, header func(string) string, body []byte) bool {
	timestamp := header("Webhook-Timestamp")
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || !isRecent(time.Unix(seconds, 0)) {
		return false
	}
	signed := append([]byte(header("Webhook-Id")+"."+timestamp+"."), body...)
	for _, secret := range secrets {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
		if err != nil {
			continue
		}
		expected := []byte("v1," + hmacSHA256(key, signed))
		for _, signature := range strings.Split(header("Webhook-Signature"), " ") {
			if hmac.Equal(expected, []byte(signature)) {
				return true
			}
		}
	}
	return false
}

// verify <scheme> <secret> <path> '<name>: <value>'… < body
func main() {
	scheme, secrets, path := os.Args[1], []string{os.Args[2]}, os.Args[3]
	headers := map[string]string{}
	for _, line := range os.Args[4:] {
		name, value, _ := strings.Cut(line, ": ")
		headers[strings.ToLower(name)] = value
	}
	header := func(name string) string { return headers[strings.ToLower(name)] }
	body, err := io.ReadAll(os.Stdin)
	if err != nil {
		panic(err)
	}
	valid := false
	if scheme == "medchat" {
		valid = VerifyMedchat(secrets, path, header, body)
	} else {
		valid = VerifyStandardWebhooks(secrets, header, body)
	}
	if !valid {
		fmt.Println("refused")
		os.Exit(1)
	}
	fmt.Println("valid")
}

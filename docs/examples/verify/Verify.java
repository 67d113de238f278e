// Verifies signed calls of Cloud Functions. Nothing but Java 17 is needed; body is the bytes as they arrived.
import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.ByteArrayOutputStream;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.time.Duration;
import java.time.Instant;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

public final class Verify {
    private static final Duration TOLERANCE = Duration.ofMinutes(5);

    private static boolean isRecent(Instant at) {
        return Duration.between(at, Instant.now()).abs().compareTo(TOLERANCE) <= 0;
    }

    private static String hmacSha256(byte[] key, byte[] message) throws GeneralSecurityException {
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(key, "HmacSHA256"));
        return Base64.getEncoder().encodeToString(mac.doFinal(message));
    }

    private static boolean isEqual(String one, String other) {
        return MessageDigest.isEqual(one.getBytes(UTF_8), other.getBytes(UTF_8));
    }

    /** `path` is path and query as they arrived. `secrets`: two while one is rotated. `headers` ignores the case of names. */
    public static boolean verifyMedchat(List<String> secrets, String path, Map<String, String> headers, byte[] body)
            throws GeneralSecurityException {
        Instant at = ZonedDateTime.parse(headers.get("date"), DateTimeFormatter.RFC_1123_DATE_TIME).toInstant();
        if (!isRecent(at)) return false;
        String md5 = Base64.getEncoder().encodeToString(MessageDigest.getInstance("MD5").digest(body));
        byte[] signed = ("POST\n" + path + "\n" + at.getEpochSecond() + "\n" + md5).getBytes(UTF_8);
        String received = headers.getOrDefault("x-medchat-signature-sha256", "");
        for (String secret : secrets) {
            if (isEqual(hmacSha256(secret.getBytes(UTF_8), signed), received)) return true;
        }
        return false;
    }

    public static boolean verifyStandardWebhooks(List<String> secrets, Map<String, String> headers, byte[] body)
            throws GeneralSecurityException {
        String timestamp = headers.get("webhook-timestamp");
        if (!isRecent(Instant.ofEpochSecond(Long.parseLong(timestamp)))) return false;
        ByteArrayOutputStream signed = new ByteArrayOutputStream();
        signed.writeBytes((headers.get("webhook-id") + "." + timestamp + ".").getBytes(UTF_8));
        signed.writeBytes(body);
        for (String secret : secrets) {
            byte[] key = Base64.getDecoder().decode(secret.startsWith("whsec_") ? secret.substring(6) : secret);
            String expected = "v1," + hmacSha256(key, signed.toByteArray());
            for (String signature : headers.getOrDefault("webhook-signature", "").split(" ")) {
                if (isEqual(expected, signature)) return true;
            }
        }
        return false;
    }

    // java Verify <scheme> <secret> <path> '<name>: <value>'… < body
    public static void main(String[] arguments) throws Exception {
        Map<String, String> headers = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
        for (String line : Arrays.asList(arguments).subList(3, arguments.length)) {
            String[] parts = line.split(": ", 2);
            headers.put(parts[0], parts[1]);
        }
        byte[] body = System.in.readAllBytes();
        List<String> secrets = List.of(arguments[1]);
        boolean valid = arguments[0].equals("medchat")
                ? verifyMedchat(secrets, arguments[2], headers, body)
                : verifyStandardWebhooks(secrets, headers, body);
        System.out.println(valid ? "valid" : "refused");
        System.exit(valid ? 0 : 1);
    }
}

// Verifies signed calls of Cloud Functions. Nothing but .NET is needed; body is the bytes as they arrived.
using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Security.Cryptography;
using System.Text;

public static class Verify
{
    private static readonly TimeSpan Tolerance = TimeSpan.FromMinutes(5);

    private static bool IsRecent(DateTimeOffset at) => (DateTimeOffset.UtcNow - at).Duration() <= Tolerance;

    private static string HmacSha256(byte[] key, byte[] message) => Convert.ToBase64String(HMACSHA256.HashData(key, message));

    private static bool IsEqual(string one, string other) =>
        CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(one), Encoding.UTF8.GetBytes(other));

    /// <summary>path is path and query as they arrived. secrets: two while one is rotated. headers ignores the case of names.</summary>
    public static bool Medchat(IEnumerable<string> secrets, string path, IReadOnlyDictionary<string, string> headers, byte[] body)
    {
        var at = DateTimeOffset.ParseExact(headers["date"], "r", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal);
        if (!IsRecent(at)) return false;
        var md5 = Convert.ToBase64String(MD5.HashData(body));
        var signed = Encoding.UTF8.GetBytes($"POST\n{path}\n{at.ToUnixTimeSeconds()}\n{md5}");
        var received = headers.TryGetValue("x-medchat-signature-sha256", out var value) ? value : "";
        return secrets.Any(secret => IsEqual(HmacSha256(Encoding.UTF8.GetBytes(secret), signed), received));
    }

    public static bool StandardWebhooks(IEnumerable<string> secrets, IReadOnlyDictionary<string, string> headers, byte[] body)
    {
        var timestamp = headers["webhook-timestamp"];
        if (!IsRecent(DateTimeOffset.FromUnixTimeSeconds(long.Parse(timestamp, CultureInfo.InvariantCulture)))) return false;
        var signed = Encoding.UTF8.GetBytes($"{headers["webhook-id"]}.{timestamp}.").Concat(body).ToArray();
        var received = headers.TryGetValue("webhook-signature", out var value) ? value.Split(' ') : Array.Empty<string>();
        return secrets.Any(secret =>
        {
            var key = Convert.FromBase64String(secret.StartsWith("whsec_", StringComparison.Ordinal) ? secret.Substring(6) : secret);
            var expected = "v1," + HmacSha256(key, signed);
            return received.Any(signature => IsEqual(expected, signature));
        });
    }

    // dotnet run <scheme> <secret> <path> '<name>: <value>'… < body
    public static int Main(string[] arguments)
    {
        var headers = arguments.Skip(3).Select(line => line.Split(": ", 2))
            .ToDictionary(parts => parts[0], parts => parts[1], StringComparer.OrdinalIgnoreCase);
        using var body = new MemoryStream();
        Console.OpenStandardInput().CopyTo(body);
        var secrets = new[] { arguments[1] };
        var valid = arguments[0] == "medchat"
            ? Medchat(secrets, arguments[2], headers, body.ToArray())
            : StandardWebhooks(secrets, headers, body.ToArray());
        Console.WriteLine(valid ? "valid" : "refused");
        return valid ? 0 : 1;
    }
}

using System.Text.Json;
using OrleansCache.Cli.Common;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Store;

/// <summary>
/// Reads what <c>nix path-info --json</c> prints:
/// <list type="bullet">
/// <item>up to 2.18, and Lix: an array of objects with <c>path</c> (an invalid path has <c>"valid": false</c>);</item>
/// <item>2.19 and later, called version 1: an object keyed by path (an invalid path is null);</item>
/// <item>version 2: <c>{"info": {…}, "storeDir", "version"}</c>, keyed by base name, with base names inside and a structured
/// <c>ca</c>;</item>
/// <item>version 3: the same with structured signatures.</item>
/// </list>
/// Each member is read in whichever form it comes, so that a mixture of a later version is understood too.
/// </summary>
internal static class PathInfoJson
{
    /// <exception cref="CliException">The JSON is not understood, or a path is not valid in the store.</exception>
    public static List<PathInfo> Parse(ReadOnlyMemory<byte> json)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            var root = document.RootElement;
            var infos = new List<PathInfo>();
            if (root.ValueKind == JsonValueKind.Array)
            {
                foreach (var element in root.EnumerateArray())
                    infos.Add(Read(element.GetProperty("path").GetString()!, element));
                return infos;
            }

            if (root.TryGetProperty("info", out var info) && root.TryGetProperty("version", out _))
                root = info;
            foreach (var member in root.EnumerateObject())
                infos.Add(Read(member.Name, member.Value));
            return infos;
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw new CliException(ExitCodes.Failed,
                $"'nix path-info --json' printed something that this version does not understand: {e.Message}", e);
        }
    }

    private static PathInfo Read(string name, JsonElement element)
    {
        if (element.ValueKind == JsonValueKind.Null || (element.TryGetProperty("valid", out var valid) && !valid.GetBoolean()))
            throw new CliException(ExitCodes.Usage, $"{name} is not in the local store. Build or fetch it first (nix-store --realise).")
            {
                IsInvalidPath = true,
            };
        if (element.TryGetProperty("storeDir", out var storeDir) && storeDir.GetString() != StorePath.StoreDir)
            throw new CliException(ExitCodes.Usage,
                $"{name} is in the store {storeDir.GetString()}; only {StorePath.StoreDir} can be pushed.");
        return new PathInfo
        {
            Path = StorePath.Parse(name),
            NarHash = Sha256Hash.Parse(element.GetProperty("narHash").ValueKind == JsonValueKind.Object
                ? HashText(element.GetProperty("narHash"))
                : element.GetProperty("narHash").GetString()),
            NarSize = element.TryGetProperty("narSize", out var size) && size.ValueKind == JsonValueKind.Number ? size.GetInt64() : 0,
            References = References(element),
            Deriver = element.TryGetProperty("deriver", out var deriver) && deriver.ValueKind == JsonValueKind.String
                && StorePath.TryParse(deriver.GetString(), out var drv)
                ? drv
                : null,
            Ca = element.TryGetProperty("ca", out var ca) ? ContentAddress(ca) : null,
            Signatures = Signatures(element),
        };
    }

    private static StorePathHash[] References(JsonElement element)
    {
        var references = element.GetProperty("references");
        var hashes = new StorePathHash[references.GetArrayLength()];
        var i = 0;
        foreach (var reference in references.EnumerateArray())
        {
            // Only the hash is sent; parsing the name would double the work.
            var text = reference.GetString().AsSpan();
            if (text.StartsWith(StorePath.StoreDir + "/"))
                text = text[(StorePath.StoreDir.Length + 1)..];
            if (text.Length <= StorePathHash.TextLength || !StorePathHash.TryParse(text[..StorePathHash.TextLength], out hashes[i++]))
                throw new FormatException($"the reference '{text}' is not a store path");
        }

        return hashes;
    }

    private static string[] Signatures(JsonElement element)
    {
        if (!element.TryGetProperty("signatures", out var signatures) || signatures.ValueKind != JsonValueKind.Array
            || signatures.GetArrayLength() == 0)
            return [];
        return
        [
            .. signatures.EnumerateArray().Select(signature => signature.ValueKind == JsonValueKind.Object
                ? $"{signature.GetProperty("keyName").GetString()}:{signature.GetProperty("sig").GetString()}"
                : signature.GetString()!).Order(StringComparer.Ordinal), // versions differ in it
        ];
    }

    /// <summary><c>fixed:r:sha256:…</c>, <c>fixed:sha256:…</c> or <c>text:sha256:…</c> (Nix: <c>ContentAddress::render</c>).</summary>
    private static string? ContentAddress(JsonElement ca)
    {
        if (ca.ValueKind == JsonValueKind.String)
            return ca.GetString() is { Length: > 0 } text ? text : null;
        if (ca.ValueKind != JsonValueKind.Object)
            return null;
        var hash = HashText(ca.GetProperty("hash"));
        return ca.GetProperty("method").GetString() switch
        {
            "text" => $"text:{hash}",
            "flat" => $"fixed:{hash}",
            "nar" or "recursive" => $"fixed:r:{hash}",
            "git" => $"fixed:git:{hash}",
            var other => throw new FormatException($"the content-address method '{other}' is not known"),
        };
    }

    /// <summary>A hash as <c>algorithm:nix32</c>, from SRI or from <c>{"algorithm", "format", "hash"}</c>.</summary>
    private static string HashText(JsonElement element)
    {
        if (element.ValueKind == JsonValueKind.String)
        {
            var sri = element.GetString()!;
            var dash = sri.IndexOf('-', StringComparison.Ordinal);
            return dash > 0 ? Print(sri[..dash], Convert.FromBase64String(sri[(dash + 1)..])) : sri;
        }

        var algorithm = element.GetProperty("algorithm").GetString()!;
        var text = element.GetProperty("hash").GetString()!;
        return element.GetProperty("format").GetString() switch
        {
            "base64" or "sri" => Print(algorithm, Convert.FromBase64String(text[(text.IndexOf('-', StringComparison.Ordinal) + 1)..])),
            "base16" => Print(algorithm, Convert.FromHexString(text)),
            _ => $"{algorithm}:{text}",
        };

        static string Print(string algorithm, byte[] bytes) => $"{algorithm}:{Nix32.Encode(bytes)}";
    }
}

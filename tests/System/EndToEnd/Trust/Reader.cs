using System.Net;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using OrleansCache.Nix;
using Xunit;

namespace OrleansCache.EndToEnd.Tests.Trust;

/// <summary>A machine that reads from the cache: what it gets, and whether that is good for anything.</summary>
internal sealed partial class Reader(Publisher http, string publicKey)
{
    private const int MaxBytes = 64 << 20;
    private const int MaxNarInfo = 64 << 10;
    private readonly PublicKey _key = PublicKey.Parse(publicKey);

    /// <summary>Null: it is not there.</summary>
    public async Task<string?> TextAsync(string key)
    {
        var answer = await http.GetAsync(key);
        return answer.Status == HttpStatusCode.NotFound ? null : answer.OrThrow().Text;
    }

    public Task<string?> LogAsync(TrustPath path) => TextAsync($"/log/{path.Deriver!.Value.BaseName}");

    public Task<Answer> GetAsync(string key) => http.GetAsync(key);

    /// <summary>Whether a signature of the cache's is among some.</summary>
    public bool IsSigned(TrustPath path, IEnumerable<string> signatures)
    {
        var fingerprint = NarInfo.FingerprintOf(path.Path, path.NarHash, path.NarSize, [.. path.References.Select(r => r.Path).Order()]);
        return signatures.Any(s => _key.Verify(fingerprint, s));
    }

    /// <summary>Everything of a closure is there, is what its pusher declared, and can be used.</summary>
    public async Task AssertWholeAsync(TrustPath root)
    {
        foreach (var path in root.Closure())
        {
            var info = await NarInfoAsync(path);
            Assert.True(info is not null, $"{path.Path} is not there");
            Assert.Equal(
                (path.Path, path.NarHash, path.NarSize, string.Join(' ', path.References.Select(r => r.Path).Order()), path.Ca,
                    path.Deriver),
                (info.StorePath, info.NarHash, info.NarSize, string.Join(' ', info.References), info.Ca?.ToString(), info.Deriver));
            await AssertUsableAsync(info);
        }
    }

    /// <summary>The signature is of this narinfo, and the NAR of its hash.</summary>
    public async Task AssertUsableAsync(NarInfo info)
    {
        Assert.True(info.Verify(_key), $"its signature is of something else:\n{info}");
        var file = (await http.GetAsync($"/{info.Url}")).OrThrow().Body;
        var nar = Zstd.Decompress(file, MaxBytes);
        Assert.Equal((info.NarHash, info.NarSize, info.FileSize ?? file.Length), (Sha256Hash.Compute(nar), nar.Length, file.Length));
    }

    /// <summary>The listing is one of the path's NAR: its publisher's, or one that the server made of the same bytes.</summary>
    public async Task AssertListingAsync(TrustPath path)
    {
        var text = await TextAsync(path.ListingKey);
        Assert.NotNull(text);
        var (read, declared) = (JsonNode.Parse(text)!["root"]!.AsObject(), JsonNode.Parse(path.Listing)!["root"]!.AsObject());
        read.Remove("narOffset");
        Assert.True(JsonNode.DeepEquals(declared, read), text);
    }

    /// <summary>Null: it is not there. One that a Nix could not read, or only a large one, is a failure.</summary>
    public async Task<NarInfo?> NarInfoAsync(TrustPath path)
    {
        if (await TextAsync(path.NarInfoKey) is not { } text)
            return null;
        AssertCanonical(text);
        return NarInfo.Parse(text);
    }

    private static void AssertCanonical(string text)
    {
        Assert.InRange(text.Length, 1, MaxNarInfo);
        var lines = text.TrimEnd('\n').Split('\n');
        Assert.All(lines, line => Assert.Matches(CanonicalLine(), line));
        Assert.Equal(lines.Length, lines.DistinctBy(l => l.StartsWith("Sig:", StringComparison.Ordinal) ? l
            : l[..l.IndexOf(':', StringComparison.Ordinal)]).Count());
        Assert.InRange(lines.Count(l => l.StartsWith("Sig:", StringComparison.Ordinal)), 1, 20);
    }

    [GeneratedRegex(
        @"^(((StorePath|URL|Compression|FileHash|NarHash|Deriver): [!-~]+)|((FileSize|NarSize): [1-9][0-9]*)|(References: ?[ -~]*)|(Sig: [!-9;-~]+:[A-Za-z0-9+/]{85}[AQgw]==)|(CA: (text|fixed(:r|:git)?):[a-z0-9]+:[0-9a-z]+))\z")]
    private static partial Regex CanonicalLine();
}

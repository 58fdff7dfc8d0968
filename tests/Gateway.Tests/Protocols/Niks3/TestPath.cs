using System.Security.Cryptography;
using System.Text;
using OrleansCache.Nix;

namespace OrleansCache.Gateway.Tests.Protocols.Niks3;

/// <summary>A store path of a test, with what a client has of it. What stands for its NAR is any bytes.</summary>
internal sealed record TestPath(StorePath Path, byte[] Nar, IReadOnlyList<TestPath> References)
{
    public StorePath? Deriver { get; init; }

    /// <summary>The log of its deriver.</summary>
    public string? Log { get; init; }

    /// <summary>The key of its realisation.</summary>
    public string? Realisation { get; init; }

    public Sha256Hash NarHash { get; } = Sha256Hash.Compute(Nar);

    public string NarKey => $"nar/{NarHash.ToNix32()}.nar.zst";

    public string NarInfoKey => $"{Path.Hash}.narinfo";

    public string ListingKey => $"{Path.Hash}.ls";

    public string LogKey => $"log/{Deriver!.Value.BaseName}";

    public string Listing => $$$"""{"version":1,"root":{"type":"regular","size":{{{Nar.Length}}}}}""";

    /// <summary>A new one, whose NAR compresses to about a half of its size.</summary>
    public static TestPath Make(string name, params TestPath[] references) => Make(name, 20_000, references);

    public static TestPath Make(string name, int size, params TestPath[] references)
    {
        var nar = new byte[size];
        RandomNumberGenerator.Fill(nar.AsSpan(size / 2));
        return new TestPath(New(name), nar, references);
    }

    public static StorePath New(string name) =>
        new(StorePathHash.FromBytes(RandomNumberGenerator.GetBytes(StorePathHash.ByteLength)), name);

    public TestPath BuiltWith(string log) => this with { Deriver = New(Path.Name + ".drv"), Log = log };

    public TestPath Realised() =>
        this with
        {
            Realisation =
        $"realisations/sha256:{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Path.BaseName)))}!out.doi"
        };

    /// <summary>Itself and all that it needs.</summary>
    public IEnumerable<TestPath> Closure() => References.SelectMany(r => r.Closure()).Append(this).Distinct();
}

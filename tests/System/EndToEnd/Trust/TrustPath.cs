using System.Security.Cryptography;
using System.Text;
using OrleansCache.Nix;

namespace OrleansCache.EndToEnd.Tests.Trust;

/// <summary>
/// A store path as a pusher declares it, and the file that it sends for it. <c>with</c> makes a lie of it: each member is what is said, not
/// what is true.
/// </summary>
internal sealed record TrustPath(StorePath Path, byte[] Nar)
{
    /// <summary>What is declared.</summary>
    public IReadOnlyList<TrustPath> References { get; init; } = [];

    public Sha256Hash NarHash { get; init; } = Sha256Hash.Compute(Nar);

    public long NarSize { get; init; } = Nar.Length;

    public StorePath? Deriver { get; init; }

    public string? Ca { get; init; }

    public IReadOnlyList<string> Signatures { get; init; } = [];

    /// <summary>What is uploaded.</summary>
    public byte[] File { get; init; } = Zstd.Compress(Nar);

    /// <summary>What is said of the file where a protocol asks.</summary>
    public Sha256Hash? ClaimedFileHash { get; init; }

    /// <summary>The listing's JSON.</summary>
    public string Listing { get; init; } = $$$"""{"version":1,"root":{"type":"regular","size":{{{Nar.Length - EmptyNarSize}}}}}""";

    /// <summary>The log of the derivation, where there is one.</summary>
    public string? Log { get; init; }

    /// <summary>What is sent of the log.</summary>
    public byte[]? PackedLog { get; init; }

    /// <summary>The derivation that the log is said to be of.</summary>
    public StorePath? LogOf { get; init; }

    /// <summary>The id of its realisation.</summary>
    public string? Realisation { get; init; }

    /// <summary>The realisation's JSON.</summary>
    public string RealisationText { get; init; } = $$"""{"outPath":"{{Path.BaseName}}"}""";

    public Sha256Hash FileHash => ClaimedFileHash ?? Sha256Hash.Compute(File);

    public string NarInfoKey => $"{Path.Hash}.narinfo";

    public string ListingKey => $"{Path.Hash}.ls";

    public StorePath? LogDrv => LogOf ?? Deriver;

    // Of a file without contents; what a length adds to it is rounded up to eight.
    private static int EmptyNarSize => 112;

    /// <summary>A new path. Its bytes name its references, as those of a build do.</summary>
    public static TrustPath Make(string name, params TrustPath[] references) => Make(NewPath(name), references);

    /// <summary>Other bytes of a path.</summary>
    public static TrustPath Make(StorePath path, params TrustPath[] references) => Make(path, 2_000, references);

    public static TrustPath Make(StorePath path, int size, params TrustPath[] references)
    {
        var names = Encoding.UTF8.GetBytes(string.Concat(references.Select(r => $"{r.Path}\n")));
        var content = new byte[(size + names.Length + 7) / 8 * 8];
        names.CopyTo(content, 0);
        RandomNumberGenerator.Fill(content.AsSpan(names.Length));
        return new TrustPath(path, ToNar(content)) { References = references };
    }

    public static StorePath NewPath(string name) =>
        new(StorePathHash.FromBytes(RandomNumberGenerator.GetBytes(StorePathHash.ByteLength)), name);

    /// <summary>Declared as this one; what is sent is something else.</summary>
    public TrustPath WithNoise() => this with { File = Zstd.Compress(ToNar(RandomNumberGenerator.GetBytes(Nar.Length - EmptyNarSize))) };

    public TrustPath BuiltWith(string log) => this with { Deriver = NewPath($"{Path.Name}.drv"), Log = log };

    public TrustPath Renamed(string name) => this with { Path = new StorePath(Path.Hash, name) };

    /// <summary>Itself and all that it needs, references first.</summary>
    public IEnumerable<TrustPath> Closure()
    {
        var closure = new List<TrustPath>();
        Add(this, []);
        return closure;

        void Add(TrustPath path, HashSet<StorePathHash> seen)
        {
            if (!seen.Add(path.Path.Hash))
                return;
            foreach (var reference in path.References)
                Add(reference, seen);
            closure.Add(path);
        }
    }

    public override string ToString() => Path.ToString();

    private static byte[] ToNar(byte[] content)
    {
        using var nar = new MemoryStream();
        foreach (var text in (byte[][])["nix-archive-1"u8.ToArray(), "("u8.ToArray(), "type"u8.ToArray(), "regular"u8.ToArray(),
            "contents"u8.ToArray(), content, ")"u8.ToArray()])
        {
            nar.Write(BitConverter.GetBytes((long)text.Length));
            nar.Write(text);
            nar.Write(new byte[(8 - (text.Length % 8)) % 8]);
        }

        return nar.ToArray();
    }
}

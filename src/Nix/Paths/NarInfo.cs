using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;

namespace OrleansCache.Nix;

/// <summary>
/// What a binary cache says about one store path: the text of <c>hash.narinfo</c>. Parsing follows Nix's <c>nar-info.cc</c>
/// (unknown fields are skipped, an absent Compression means bzip2); printing gives the fields in Nix's order.
/// </summary>
public sealed partial record NarInfo
{
    /// <summary>The size of the largest NAR that a request may name: 16 TiB. Sums and durations computed from it cannot overflow.</summary>
    public const long MaxNarSize = 1L << 44;

    private readonly IReadOnlyList<StorePath> _references = [];

    public required StorePath StorePath { get; init; }

    /// <summary>The NAR's URL, relative to the cache's root.</summary>
    public required string Url { get; init; }

    /// <summary>The compression of the file at <see cref="Url"/>: <c>none</c>, <c>zstd</c>, <c>xz</c>, <c>bzip2</c>, ….</summary>
    public required string Compression { get; init; }

    /// <summary>SHA-256 of the compressed file.</summary>
    public Sha256Hash? FileHash { get; init; }

    /// <summary>Bytes of the compressed file.</summary>
    public long? FileSize { get; init; }

    public required Sha256Hash NarHash { get; init; }

    /// <summary>Bytes of the NAR; never zero.</summary>
    public required long NarSize { get; init; }

    /// <summary>Sorted in Nix's order, without duplicates, in whatever order they were assigned.</summary>
    public IReadOnlyList<StorePath> References
    {
        get => _references;
        init => _references = IsStrictlySorted(value) ? value : [.. value.Order().Distinct()];
    }

    public StorePath? Deriver { get; init; }

    public string? System { get; init; }

    /// <summary>Each <c>keyname:base64</c>.</summary>
    public IReadOnlyList<string> Signatures { get; init; } = [];

    /// <summary>The content address, when the path has one.</summary>
    public ContentAddress? Ca { get; init; }

    /// <summary>The signed text. See <see cref="FingerprintOf"/>.</summary>
    public string Fingerprint() => FingerprintOf(StorePath, NarHash, NarSize, References);

    /// <summary>
    /// <c>1;path;sha256:nix32;narSize;reference,reference…</c> with full paths (Nix: <c>ValidPathInfo::fingerprint</c>). The references
    /// must come sorted, without duplicates.
    /// </summary>
    public static string FingerprintOf(StorePath path, Sha256Hash narHash, long narSize, IReadOnlyList<StorePath> sortedReferences)
    {
        var text = new StringBuilder(160 + sortedReferences.Count * 80);
        text.Append(CultureInfo.InvariantCulture, $"1;{path};{narHash.ToNix32String()};{narSize};");
        return text.AppendJoin(',', sortedReferences).ToString();
    }

    /// <summary>True when one of the signatures is a valid one of this key.</summary>
    public bool Verify(PublicKey key)
    {
        var fingerprint = Fingerprint();
        return Signatures.Any(signature => key.Verify(fingerprint, signature));
    }

    /// <summary>The text of the narinfo, each line ended by a newline.</summary>
    /// <exception cref="InvalidOperationException">A field has a control character, which would make more than one line.</exception>
    public string Print()
    {
        var text = new StringBuilder(512 + References.Count * 80);
        Line("StorePath", StorePath.ToString());
        Line("URL", Url);
        Line("Compression", Compression);
        if (FileHash is { } fileHash)
            Line("FileHash", fileHash.ToNix32String());
        if (FileSize is { } fileSize)
            Line("FileSize", fileSize.ToString(CultureInfo.InvariantCulture));
        Line("NarHash", NarHash.ToNix32String());
        Line("NarSize", NarSize.ToString(CultureInfo.InvariantCulture));
        text.Append("References: ").AppendJoin(' ', References.Select(reference => reference.BaseName)).Append('\n');
        if (Deriver is { } deriver)
            Line("Deriver", deriver.BaseName);
        if (System is { } system)
            Line("System", system);
        foreach (var signature in Signatures)
            Line("Sig", signature);
        if (Ca is { } ca)
            Line("CA", ca.ToString());
        return text.ToString();

        void Line(string name, string value)
        {
            if (HasControl(value))
                throw new InvalidOperationException($"The narinfo of {StorePath} would have a control character in its {name}.");
            text.Append(name).Append(": ").Append(value).Append('\n');
        }
    }

    /// <exception cref="FormatException">Not a narinfo; the message names the line and what is wrong.</exception>
    public static NarInfo Parse(string text) =>
        TryParse(text, out var info, out var error) ? info : throw new FormatException($"Not a valid narinfo: {error}");

    public static bool TryParse(string text, [NotNullWhen(true)] out NarInfo? info, [NotNullWhen(false)] out string? error) =>
        new Parser().TryParse(text, out info, out error);

    public override string ToString() => Print();

    public bool Equals(NarInfo? other) => other is not null && (ReferenceEquals(this, other) || Print() == other.Print());

    public override int GetHashCode() => HashCode.Combine(StorePath, NarHash);

    private static bool HasControl(ReadOnlySpan<char> text)
    {
        foreach (var c in text)
        {
            if (char.IsControl(c))
                return true;
        }

        return false;
    }

    private static bool IsStrictlySorted(IReadOnlyList<StorePath> paths)
    {
        for (var i = 1; i < paths.Count; i++)
        {
            if (paths[i - 1] >= paths[i])
                return false;
        }

        return true;
    }
}

using System.Diagnostics.CodeAnalysis;

namespace OrleansCache.Nix;

/// <summary>
/// What a path's hash was made from, as Nix renders it (<c>ContentAddress::render</c>): <c>text:sha256:&lt;nix32&gt;</c>, or <c>fixed:</c>,
/// then nothing, <c>r:</c> or <c>git:</c>, then a hash as <c>algorithm:nix32</c>.
/// </summary>
public readonly record struct ContentAddress
{
    /// <summary>What an address may be, for the error about another.</summary>
    public const string Rule = "text:sha256:<nix32>, or fixed:[r:|git:]<md5|sha1|sha256|sha512|blake3>:<nix32> is wanted";

    private const int MaxHash = 64;

    // The first prefix that fits: "fixed:" alone is the last of its kind.
    private static readonly (string Prefix, ContentAddressMethod Method)[] Methods =
    [
        ("text:", ContentAddressMethod.Text), ("fixed:r:", ContentAddressMethod.Recursive), ("fixed:git:", ContentAddressMethod.Git),
        ("fixed:", ContentAddressMethod.Flat),
    ];

    private static readonly (string Name, int Bytes)[] Algorithms = [("md5", 16), ("sha1", 20), ("sha256", 32), ("sha512", 64),
        ("blake3", 32)];

    private readonly string? _value;

    private ContentAddress(string value) => _value = value;

    public static bool TryParse([NotNullWhen(true)] string? text, out ContentAddress address) => TryParse(text.AsSpan(), out address);

    /// <inheritdoc cref="TryParse(string?, out ContentAddress)"/>
    public static bool TryParse(ReadOnlySpan<char> text, out ContentAddress address)
    {
        Span<byte> hash = stackalloc byte[MaxHash];
        var ok = TryRead(text, hash, out _, out _, out _);
        address = ok ? new ContentAddress(text.ToString()) : default;
        return ok;
    }

    /// <exception cref="FormatException">Not a content address.</exception>
    public static ContentAddress Parse(string text) => TryParse(text, out var address) ? address
        : throw new FormatException($"'{text}' is not a content address: {Rule}");

    public override string ToString() => _value ?? "";

    /// <exception cref="InvalidOperationException">The default value, which is no address.</exception>
    internal (ContentAddressMethod Method, string Algorithm, byte[] Hash) Parts()
    {
        Span<byte> hash = stackalloc byte[MaxHash];
        return TryRead(_value, hash, out var method, out var algorithm, out var length)
            ? (method, algorithm, hash[..length].ToArray())
            : throw new InvalidOperationException("There is no content address here.");
    }

    private static bool TryRead(
        ReadOnlySpan<char> text, Span<byte> hash, out ContentAddressMethod method, out string algorithm, out int length)
    {
        (method, algorithm, length) = (default, "", 0);
        foreach (var (prefix, candidate) in Methods)
        {
            if (!text.StartsWith(prefix))
                continue;
            method = candidate;
            text = text[prefix.Length..];
            foreach (var (name, bytes) in Algorithms)
            {
                if (!text.StartsWith(name) || text[name.Length..] is not [':', .. var digits])
                    continue;
                (algorithm, length) = (name, bytes);
                return (method != ContentAddressMethod.Text || name == "sha256") && Nix32.TryDecode(digits, hash[..bytes]);
            }

            return false;
        }

        return false;
    }
}

/// <summary>What of a path the hash of its content address is of.</summary>
internal enum ContentAddressMethod
{
    /// <summary>The contents of one file that may refer to other paths.</summary>
    Text,

    /// <summary>The contents of one file.</summary>
    Flat,

    /// <summary>The NAR.</summary>
    Recursive,

    /// <summary>The object that git would make of it.</summary>
    Git,
}

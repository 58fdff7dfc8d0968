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

    private const string Text = "text:";
    private const string Fixed = "fixed:";

    private static readonly string[] Methods = ["r:", "git:"];
    private static readonly (string Name, int Bytes)[] Algorithms = [("md5:", 16), ("sha1:", 20), ("sha256:", 32), ("sha512:", 64),
        ("blake3:", 32)];

    private readonly string? _value;

    private ContentAddress(string value) => _value = value;

    public static bool TryParse([NotNullWhen(true)] string? text, out ContentAddress address) => TryParse(text.AsSpan(), out address);

    /// <inheritdoc cref="TryParse(string?, out ContentAddress)"/>
    public static bool TryParse(ReadOnlySpan<char> text, out ContentAddress address)
    {
        var ok = text.StartsWith(Text) ? text[Text.Length..].StartsWith("sha256:") && IsHash(text[Text.Length..]) : text.StartsWith(Fixed)
            && IsHash(WithoutMethod(text[Fixed.Length..]));
        address = ok ? new ContentAddress(text.ToString()) : default;
        return ok;
    }

    /// <exception cref="FormatException">Not a content address.</exception>
    public static ContentAddress Parse(string text) => TryParse(text, out var address) ? address
        : throw new FormatException($"'{text}' is not a content address: {Rule}");

    public override string ToString() => _value ?? "";

    private static ReadOnlySpan<char> WithoutMethod(ReadOnlySpan<char> text)
    {
        foreach (var method in Methods)
        {
            if (text.StartsWith(method))
                return text[method.Length..];
        }

        return text;
    }

    private static bool IsHash(ReadOnlySpan<char> text)
    {
        Span<byte> bytes = stackalloc byte[64];
        foreach (var (name, length) in Algorithms)
        {
            if (text.StartsWith(name))
                return Nix32.TryDecode(text[name.Length..], bytes[..length]);
        }

        return false;
    }
}

using System.Buffers;
using System.Diagnostics.CodeAnalysis;

namespace OrleansCache.Nix;

/// <summary>
/// What a realisation is of, in the one form of either kind: <c>sha256:&lt;64 hex digits&gt;!&lt;output&gt;</c>, as Nix up to 2.34 has it,
/// or <c>&lt;hash-name.drv&gt;^&lt;output&gt;</c>,
/// as its build traces have it. An output is named as a store path may be.
/// </summary>
public readonly record struct RealisationId
{
    /// <summary>For who sent another.</summary>
    public const string Rule = "sha256:<64 hex digits>!<output> or <hash-name.drv>^<output> is wanted";

    private const string Algorithm = "sha256:";
    private const int HexLength = 64;

    // Of the first form, hash, output and ".doi" are one file name, which has 255 characters at most.
    private const int MaxOutputLength = 255 - HexLength - 12;

    private static readonly SearchValues<char> Hex = SearchValues.Create("0123456789abcdef");

    private readonly string? _value;
    private readonly int _mark;

    private RealisationId(string value, int mark) => (_value, _mark) = (value, mark);

    /// <summary>The base name of the derivation, of a build trace; null of the older kind.</summary>
    public string? Derivation => _value is { } value && value[_mark] == '^' ? value[.._mark] : null;

    public string Output => _value?[(_mark + 1)..] ?? "";

    public static bool TryParse([NotNullWhen(true)] string? text, out RealisationId id)
    {
        var mark = text.AsSpan().IndexOfAny('!', '^');
        var ok = mark > 0 && IsOutput(text.AsSpan(mark + 1))
            && (text![mark] == '!' ? IsHash(text.AsSpan(0, mark)) : IsDerivation(text.AsSpan(0, mark)));
        id = ok ? new RealisationId(text!, mark) : default;
        return ok;
    }

    /// <exception cref="FormatException">Not the id of a realisation.</exception>
    public static RealisationId Parse(string text) => TryParse(text, out var id) ? id
        : throw new FormatException($"'{text}' is not the id of a realisation: {Rule}");

    public override string ToString() => _value ?? "";

    private static bool IsOutput(ReadOnlySpan<char> text) => text.Length <= MaxOutputLength && StorePath.IsValidName(text);

    private static bool IsHash(ReadOnlySpan<char> text) => text.Length == Algorithm.Length + HexLength && text.StartsWith(Algorithm)
        && !text[Algorithm.Length..].ContainsAnyExcept(Hex);

    private static bool IsDerivation(ReadOnlySpan<char> text) => !text.StartsWith("/") && StorePath.TryParse(text, out var path)
        && path.IsDerivation;
}

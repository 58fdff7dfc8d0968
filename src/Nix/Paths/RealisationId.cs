using System.Buffers;
using System.Diagnostics.CodeAnalysis;

namespace OrleansCache.Nix;

/// <summary>
/// The id of a realisation, in the one form of either kind: <c>sha256:&lt;64 hex digits&gt;!&lt;output&gt;</c>, as Nix up to 2.34 has it,
/// or <c>&lt;hash-name.drv&gt;^&lt;output&gt;</c>, as its build traces have it. The rules for a store path's name hold for an output.
/// </summary>
public readonly record struct RealisationId
{
    /// <summary>What an id may be, for the error about another.</summary>
    public const string Rule = "sha256:<64 hex digits>!<output> or <hash-name.drv>^<output> is wanted";

    private const string Algorithm = "sha256:";
    private const int HexLength = 64;

    // In the first form, hash, output and ".doi" are one file name, of at most 255 characters.
    private const int MaxOutputLength = 255 - HexLength - 12;

    private static readonly SearchValues<char> Hex = SearchValues.Create("0123456789abcdef");

    private readonly string? _value;
    private readonly int _mark;

    private RealisationId(string value, int mark) => (_value, _mark) = (value, mark);

    /// <summary>The base name of a build trace's derivation; null for the older kind.</summary>
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

using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace OrleansCache.Protocol;

/// <summary>Which pins a token may move: the name of a pin in which <c>*</c> stands for any characters, or none, and <c>?</c> for one.</summary>
[JsonConverter(typeof(PinPatternConverter))]
public readonly record struct PinPattern
{
    /// <summary>What a pattern may be, for who sent another.</summary>
    public const string Rule = "1 to 255 characters of A-Z, a-z, 0-9, '.', '_', '-', '*' (any characters) and '?' (one) are wanted";

    private readonly string? _value;

    private PinPattern(string value) => _value = value;

    public static bool TryParse([NotNullWhen(true)] string? text, out PinPattern pattern)
    {
        pattern = default;
        if (text is null || text.Length is 0 or > PinName.MaxLength)
            return false;
        foreach (var c in text)
        {
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('.' or '_' or '-' or '*' or '?'))
                return false;
        }

        pattern = new PinPattern(text);
        return true;
    }

    public static PinPattern Parse(string text) => TryParse(text, out var pattern) ? pattern : throw new FormatException($"'{text}' is not a pattern of pins: {Rule}");

    public bool Matches(PinName pin)
    {
        var (pattern, name) = (ToString(), pin.ToString());
        // The last star takes one character more each time that what follows it does not fit: at most 255 times 255 steps.
        var (at, star, taken) = (0, -1, 0);
        for (var i = 0; i < name.Length;)
        {
            if (at < pattern.Length && pattern[at] == '*')
            {
                (star, taken) = (at++, i);
            }
            else if (at < pattern.Length && (pattern[at] == '?' || pattern[at] == name[i]))
            {
                (at, i) = (at + 1, i + 1);
            }
            else if (star >= 0)
            {
                (at, i) = (star + 1, ++taken);
            }
            else
            {
                return false;
            }
        }

        return pattern.AsSpan(at).TrimStart('*').IsEmpty;
    }

    public override string ToString() => _value ?? "";
}

public sealed class PinPatternConverter : JsonConverter<PinPattern>
{
    public override PinPattern Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        reader.TokenType == JsonTokenType.String && PinPattern.TryParse(reader.GetString(), out var pattern) ? pattern : throw new JsonException($"not a pattern of pins: {PinPattern.Rule}");

    public override void Write(Utf8JsonWriter writer, PinPattern value, JsonSerializerOptions options) => writer.WriteStringValue(value.ToString());
}

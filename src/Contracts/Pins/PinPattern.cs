using System.Diagnostics.CodeAnalysis;
using System.IO.Enumeration;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace OrleansCache.Contracts;

/// <summary>
/// The pins that a token may move: a pin's name in which <c>*</c> stands for any characters, or none, and <c>?</c> for one.
/// </summary>
[JsonConverter(typeof(PinPatternConverter))]
public readonly record struct PinPattern
{
    /// <summary>What a pattern may be, for the error about another.</summary>
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

    public static PinPattern Parse(string text) => TryParse(text, out var pattern) ? pattern
        : throw new FormatException($"'{text}' is not a pattern of pins: {Rule}");

    // No character of a pattern has a further meaning in that syntax.
    public bool Matches(PinName pin) => FileSystemName.MatchesSimpleExpression(ToString(), pin.ToString(), ignoreCase: false);

    public override string ToString() => _value ?? "";
}

public sealed class PinPatternConverter : JsonConverter<PinPattern>
{
    public override PinPattern Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        reader.TokenType == JsonTokenType.String && PinPattern.TryParse(reader.GetString(), out var pattern) ? pattern
            : throw new JsonException($"not a pattern of pins: {PinPattern.Rule}");

    public override void Write(Utf8JsonWriter writer, PinPattern value, JsonSerializerOptions options) =>
        writer.WriteStringValue(value.ToString());
}

using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace OrleansCache.Contracts;

/// <summary>
/// The name of a pin, <c>^[A-Za-z0-9._-]{1,255}$</c>, so that it can be a file name; neither <c>.</c> nor <c>..</c>, which no URL can name.
/// </summary>
[JsonConverter(typeof(PinNameConverter))]
public readonly record struct PinName
{
    public const int MaxLength = 255;

    /// <summary>What a name may be, for the error about another.</summary>
    public const string Rule = "1 to 255 characters of A-Z, a-z, 0-9, '.', '_' and '-' are wanted, and neither '.' nor '..'";

    private readonly string? _value;

    private PinName(string value) => _value = value;

    public static bool TryParse([NotNullWhen(true)] string? text, out PinName name)
    {
        name = default;
        if (text is null or "." or ".." || text.Length is 0 or > MaxLength)
            return false;
        foreach (var c in text)
        {
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('.' or '_' or '-'))
                return false;
        }

        name = new PinName(text);
        return true;
    }

    public static PinName Parse(string text) => TryParse(text, out var name) ? name
        : throw new FormatException($"'{text}' is not the name of a pin: {Rule}");

    public override string ToString() => _value ?? "";
}

public sealed class PinNameConverter : JsonConverter<PinName>
{
    public override PinName Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        reader.TokenType == JsonTokenType.String && PinName.TryParse(reader.GetString(), out var name) ? name
            : throw new JsonException($"not the name of a pin: {PinName.Rule}");

    public override void Write(Utf8JsonWriter writer, PinName value, JsonSerializerOptions options) =>
        writer.WriteStringValue(value.ToString());
}

using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace OrleansCache.Contracts;

/// <summary>The name under which a machine tells what it has deployed, of a pin's characters: a host name has no others.</summary>
[JsonConverter(typeof(MachineNameConverter))]
public readonly record struct MachineName
{
    /// <summary>What a name may be, for the error about another.</summary>
    public const string Rule = PinName.Rule;

    private readonly string? _value;

    private MachineName(string value) => _value = value;

    public static bool TryParse([NotNullWhen(true)] string? text, out MachineName name)
    {
        var isName = PinName.TryParse(text, out _);
        name = isName ? new MachineName(text!) : default;
        return isName;
    }

    public static MachineName Parse(string text) => TryParse(text, out var name) ? name
        : throw new FormatException($"'{text}' is not the name of a machine: {Rule}");

    public override string ToString() => _value ?? "";
}

public sealed class MachineNameConverter : JsonConverter<MachineName>
{
    public override MachineName Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        reader.TokenType == JsonTokenType.String && MachineName.TryParse(reader.GetString(), out var name) ? name
            : throw new JsonException($"not the name of a machine: {MachineName.Rule}");

    public override void Write(Utf8JsonWriter writer, MachineName value, JsonSerializerOptions options) =>
        writer.WriteStringValue(value.ToString());
}

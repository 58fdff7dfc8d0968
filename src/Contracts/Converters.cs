using System.Text.Json;
using System.Text.Json.Serialization;
using OrleansCache.Nix;

namespace OrleansCache.Contracts;

/// <summary>32 nix32 characters.</summary>
public sealed class StorePathHashConverter : JsonConverter<StorePathHash>
{
    public override StorePathHash Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        Span<char> buffer = stackalloc char[ShortText.MaxLength];
        return StorePathHash.TryParse(buffer[..ShortText.Read(ref reader, buffer)], out var hash) ? hash
            : throw new JsonException("not a store path hash: 32 characters of Nix's base-32 are wanted");
    }

    public override void Write(Utf8JsonWriter writer, StorePathHash value, JsonSerializerOptions options) =>
        writer.WriteStringValue(value.ToString());
}

/// <summary>Written as the base name, <c>hash-name</c>; read with or without the store directory.</summary>
public sealed class StorePathConverter : JsonConverter<StorePath>
{
    public override StorePath Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        Span<char> buffer = stackalloc char[ShortText.MaxLength];
        return StorePath.TryParse(buffer[..ShortText.Read(ref reader, buffer)], out var path) ? path
            : throw new JsonException("not a store path: hash-name is wanted, the name of at most 211 characters of a-zA-Z0-9+-._?=");
    }

    public override void Write(Utf8JsonWriter writer, StorePath value, JsonSerializerOptions options) =>
        writer.WriteStringValue(value.BaseName);
}

/// <summary>Written <c>sha256:&lt;nix32&gt;</c>; read in any form that Nix prints.</summary>
public sealed class Sha256HashConverter : JsonConverter<Sha256Hash>
{
    public override Sha256Hash Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        Span<char> buffer = stackalloc char[ShortText.MaxLength];
        return Sha256Hash.TryParse(buffer[..ShortText.Read(ref reader, buffer)], out var hash) ? hash
            : throw new JsonException("not a SHA-256: sha256:<nix32 or hex> or sha256-<base64> is wanted");
    }

    public override void Write(Utf8JsonWriter writer, Sha256Hash value, JsonSerializerOptions options) =>
        writer.WriteStringValue(value.ToNix32String());
}

/// <summary>Written in the form that Nix renders.</summary>
public sealed class ContentAddressConverter : JsonConverter<ContentAddress>
{
    public override ContentAddress Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        Span<char> buffer = stackalloc char[ShortText.MaxLength];
        return ContentAddress.TryParse(buffer[..ShortText.Read(ref reader, buffer)], out var address) ? address
            : throw new JsonException($"not a content address: {ContentAddress.Rule}");
    }

    public override void Write(Utf8JsonWriter writer, ContentAddress value, JsonSerializerOptions options) =>
        writer.WriteStringValue(value.ToString());
}

/// <summary>
/// Signatures in their one form, each once. All else is dropped while it is read, so a list of any length takes bounded memory.
/// </summary>
public sealed class SignaturesConverter : JsonConverter<IReadOnlyList<string>>
{
    private const int Most = 64;

    public override IReadOnlyList<string> Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        if (reader.TokenType != JsonTokenType.StartArray)
            throw new JsonException("not a list of signatures");
        var signatures = new List<string>();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType == JsonTokenType.Null)
                throw new JsonException("null is not allowed in a list");
            if (reader.TokenType != JsonTokenType.String)
                throw new JsonException("not a signature: keyname:base64 is wanted");
            if (signatures.Count < Most && PathSignature.TryParse(reader.GetString(), out var signature)
                && !signatures.Contains(signature.ToString()))
                signatures.Add(signature.ToString());
        }

        return signatures;
    }

    public override void Write(Utf8JsonWriter writer, IReadOnlyList<string> value, JsonSerializerOptions options)
    {
        writer.WriteStartArray();
        foreach (var signature in value)
            writer.WriteStringValue(signature);
        writer.WriteEndArray();
    }
}

public sealed class RealisationIdConverter : JsonConverter<RealisationId>
{
    public override RealisationId Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        reader.TokenType == JsonTokenType.String && RealisationId.TryParse(reader.GetString(), out var id) ? id
            : throw new JsonException($"not the id of a realisation: {RealisationId.Rule}");

    public override void Write(Utf8JsonWriter writer, RealisationId value, JsonSerializerOptions options) =>
        writer.WriteStringValue(value.ToString());
}

/// <summary>Reads short strings without allocating, as a begin has tens of thousands of hashes.</summary>
internal static class ShortText
{
    /// <summary>No store path and no hash is longer, even with each character escaped.</summary>
    public const int MaxLength = 2048;

    /// <summary>The string's length; 0, which no valid hash or path has, when the token is no string or too long.</summary>
    public static int Read(ref Utf8JsonReader reader, scoped Span<char> buffer)
    {
        var length = reader.HasValueSequence ? reader.ValueSequence.Length : reader.ValueSpan.Length;
        return reader.TokenType == JsonTokenType.String && length <= buffer.Length ? reader.CopyString(buffer) : 0;
    }
}

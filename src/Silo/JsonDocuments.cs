using System.Text.Json;
using System.Text.Json.Serialization;
using Orleans.Storage;

namespace OrleansCache.Silo;

/// <summary>
/// Grains' documents as plain JSON without names of types: an operator can read them, and a class may move. An unknown member is ignored
/// and an absent one is null, so silos of two versions read each other's.
/// </summary>
internal sealed class JsonDocuments : IGrainStorageSerializer
{
    private static readonly JsonSerializerOptions Options =
        new(JsonSerializerDefaults.Web) { DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull };

    public BinaryData Serialize<T>(T? input) => new(JsonSerializer.SerializeToUtf8Bytes(input, Options));

    public T? Deserialize<T>(BinaryData input) => JsonSerializer.Deserialize<T>(input, Options);
}

using System.Text.Json.Serialization;

namespace OrleansCache.Gateway.Protocols.Attic;

/// <summary>The JSON of attic's client: snake_case, unknown members ignored.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(MissingPathsRequest))]
[JsonSerializable(typeof(MissingPathsAnswer))]
[JsonSerializable(typeof(PathInfo))]
[JsonSerializable(typeof(UploadAnswer))]
[JsonSerializable(typeof(CacheConfig))]
[JsonSerializable(typeof(ErrorAnswer))]
internal sealed partial class AtticJson : JsonSerializerContext;

/// <param name="StorePathHashes">32 characters each.</param>
internal sealed record MissingPathsRequest(string? Cache, List<string>? StorePathHashes);

internal sealed record MissingPathsAnswer(IEnumerable<string> MissingPaths);

/// <summary>What the client says of a path that it uploads.</summary>
/// <param name="StorePath">With the store directory.</param>
/// <param name="References">Base names.</param>
/// <param name="Deriver">The client sends none yet.</param>
/// <param name="NarHash"><c>sha256:</c> and 64 hexadecimal digits.</param>
internal sealed record PathInfo(string? Cache, string? StorePathHash, string? StorePath, List<string>? References, string? Deriver,
    List<string>? Sigs, string? Ca, string? NarHash, ulong? NarSize);

/// <param name="Kind"><c>Uploaded</c>, or <c>Deduplicated</c>, which the client shows.</param>
/// <param name="FileSize">The size of the compressed NAR, in bytes.</param>
internal sealed record UploadAnswer(string Kind, long? FileSize);

/// <param name="SubstituterEndpoint">For nix.conf.</param>
/// <param name="ApiEndpoint">The client sends all further requests below it; with a slash at its end.</param>
/// <param name="PublicKey">The client puts it into nix.conf as it is, so that several keys stand in it as they stand there.</param>
/// <param name="UpstreamCacheKeyNames">The client leaves out what these keys have signed.</param>
/// <param name="RetentionPeriod"><c>Global</c>: the server's.</param>
internal sealed record CacheConfig(string SubstituterEndpoint, string ApiEndpoint, string PublicKey, bool IsPublic, string StoreDir,
    int Priority, IReadOnlyList<string> UpstreamCacheKeyNames, string RetentionPeriod);

/// <param name="Code">The status.</param>
/// <param name="Error">A stable name.</param>
/// <param name="Message">The client shows it behind the name.</param>
internal sealed record ErrorAnswer(int Code, string Error, string Message);

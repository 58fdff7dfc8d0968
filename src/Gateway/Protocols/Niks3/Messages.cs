using System.Text.Json.Serialization;

namespace OrleansCache.Gateway.Protocols.Niks3;

/// <summary>
/// The JSON of niks3's clients: snake_case, unknown members ignored. They are written in Go, which sends null for an empty list.
/// </summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(CreateRequest))]
[JsonSerializable(typeof(CreateAnswer))]
[JsonSerializable(typeof(PresentRequest))]
[JsonSerializable(typeof(PresentAnswer))]
[JsonSerializable(typeof(SignRequest))]
[JsonSerializable(typeof(SignAnswer))]
[JsonSerializable(typeof(MorePartsRequest))]
[JsonSerializable(typeof(MorePartsAnswer))]
[JsonSerializable(typeof(CompleteMultipartRequest))]
[JsonSerializable(typeof(UploadedRequest))]
[JsonSerializable(typeof(SkippedRequest))]
[JsonSerializable(typeof(ClosureAnswer))]
[JsonSerializable(typeof(GcTask))]
[JsonSerializable(typeof(GcConflict))]
[JsonSerializable(typeof(CreatePinRequest))]
[JsonSerializable(typeof(List<PinAnswer>))]
[JsonSerializable(typeof(CacheConfig))]
[JsonSerializable(typeof(CacheStats))]
internal sealed partial class Niks3Json : JsonSerializerContext;

/// <param name="Closure"><c>hash.narinfo</c> of the root of a pending closure.</param>
/// <param name="Roots">The same of all roots of a push.</param>
internal sealed record CreateRequest(string? Closure, List<string>? Roots, List<RequestedObject>? Objects, bool VerifyS3);

/// <param name="Refs">Keys; a narinfo's are the narinfos of its references, its NAR, its listing and its realisations.</param>
/// <param name="NarSize">A NAR's size, uncompressed.</param>
internal sealed record RequestedObject(string? Key, string? Type, List<string>? Refs, ulong? NarSize);

/// <param name="PendingObjects">What the client has to upload, by key; only objects of the request.</param>
internal sealed record CreateAnswer(string Id, string StartedAt, Dictionary<string, PendingObject> PendingObjects);

/// <param name="Keys"><c>hash.narinfo</c> of what the client is about to push.</param>
internal sealed record PresentRequest(List<string>? Keys);

/// <param name="Present">Those that it need not push.</param>
internal sealed record PresentAnswer(IEnumerable<string> Present);

internal sealed record PendingObject(string Type, string? PresignedUrl, MultipartInfo? MultipartInfo);

internal sealed record MultipartInfo(string UploadId, IEnumerable<string> PartUrls);

internal sealed record SignRequest(Dictionary<string, NarInfoContent?>? Narinfos);

/// <param name="StorePath">With the store directory, as every path here.</param>
/// <param name="Url">The client's key of the NAR.</param>
internal sealed record NarInfoContent(
    string? StorePath, string? Url, string? Compression, string? NarHash, ulong NarSize, List<string>? References, string? Deriver,
    List<string>? Signatures, string? Ca);

internal sealed record SignAnswer(Dictionary<string, IReadOnlyList<string>> Signatures);

internal sealed record MorePartsRequest(string? ObjectKey, string? UploadId, int StartPartNumber, int NumParts);

internal sealed record MorePartsAnswer(IEnumerable<string> PartUrls, int StartPartNumber);

internal sealed record CompleteMultipartRequest(string? ObjectKey, string? UploadId, List<CompletedPart>? Parts);

/// <param name="Etag">From the answer to the part's PUT, without quotes.</param>
internal sealed record CompletedPart(int PartNumber, string? Etag);

/// <param name="ObjectKey">Of what was PUT.</param>
internal sealed record UploadedRequest(string? ObjectKey);

/// <param name="Paths">How many paths the client has left out for their size.</param>
/// <param name="NarBytes">The sizes of their NARs.</param>
internal sealed record SkippedRequest(ulong Paths, ulong NarBytes);

/// <param name="Id">The key of the closure.</param>
internal sealed record ClosureAnswer(string Id, string UpdatedAt, IReadOnlyList<string> Objects);

/// <param name="State"><c>running</c>, <c>succeeded</c> or <c>failed</c>.</param>
internal sealed record GcTask(string State, string? Phase, GcParams Params, GcStats Stats, string? Error, string StartedAt,
    string UpdatedAt, string? FinishedAt);

internal sealed record GcParams(string OlderThan, string FailedUploadsOlderThan, bool Force);

internal sealed record GcStats(long FailedUploadsDeleted, long OldClosuresDeleted, long ObjectsMarkedForDeletion,
    long ObjectsDeletedAfterGracePeriod, long ObjectsFailedToDelete);

internal sealed record GcConflict(string Error, GcTask ActiveTask);

internal sealed record CreatePinRequest(string? StorePath);

internal sealed record PinAnswer(string Name, string StorePath, string NarinfoKey, string CreatedAt, string UpdatedAt);

/// <param name="MaxNarSize">In bytes; a client leaves out closures with a larger NAR.</param>
/// <param name="Pushes">Push all roots at once, by <c>/api/pushes</c>.</param>
internal sealed record CacheConfig(string SubstituterUrl, IReadOnlyList<string> PublicKeys, string? OidcAudience, long MaxNarSize,
    bool Pushes);

internal sealed record CacheStats(long Objects, long LogicalBytes);

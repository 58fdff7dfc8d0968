using System.Text.Json.Serialization;

namespace OrleansCache.Contracts;

/// <summary>The JSON of the v1 protocol: camelCase, enums as lower-case words, absent instead of null, unknown members ignored.</summary>
/// <remarks>
/// Members with a default have setters: the generated code assigns every init-only member, and would make an absent one null.
/// </remarks>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    UseStringEnumConverter = true,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    Converters = [typeof(StorePathHashConverter), typeof(StorePathConverter), typeof(Sha256HashConverter), typeof(ContentAddressConverter),
        typeof(RealisationIdConverter), typeof(PathStateConverter), typeof(PushStateConverter), typeof(GcStateConverter),
        typeof(FsckKindConverter), typeof(TokenScopeConverter), typeof(EvictionStateConverter), typeof(EvictionCauseConverter),
        typeof(KeyStateConverter), typeof(ConflictReasonConverter), typeof(DeploymentOutcomeConverter)])]
[JsonSerializable(typeof(BeginPush))]
[JsonSerializable(typeof(PushOpened))]
[JsonSerializable(typeof(UploadReport))]
[JsonSerializable(typeof(ReportAnswer))]
[JsonSerializable(typeof(WaitRequest))]
[JsonSerializable(typeof(WaitAnswer))]
[JsonSerializable(typeof(UrlsRequest))]
[JsonSerializable(typeof(UrlsAnswer))]
[JsonSerializable(typeof(BatchAnswer))]
[JsonSerializable(typeof(CommitAnswer))]
[JsonSerializable(typeof(RenewAnswer))]
[JsonSerializable(typeof(MissingRequest))]
[JsonSerializable(typeof(MissingAnswer))]
[JsonSerializable(typeof(PromoteRequest))]
[JsonSerializable(typeof(PromotionProgress))]
[JsonSerializable(typeof(Promotion))]
[JsonSerializable(typeof(ConflictList))]
[JsonSerializable(typeof(PathConflict))]
[JsonSerializable(typeof(UpstreamReport))]
[JsonSerializable(typeof(BoundaryList))]
[JsonSerializable(typeof(CacheInfo))]
[JsonSerializable(typeof(ServerWarnings))]
[JsonSerializable(typeof(LoginInfo))]
[JsonSerializable(typeof(Problem))]
[JsonSerializable(typeof(GcRequest))]
[JsonSerializable(typeof(GcRun))]
[JsonSerializable(typeof(GcStatus))]
[JsonSerializable(typeof(GcHistory))]
[JsonSerializable(typeof(WhyAnswer))]
[JsonSerializable(typeof(PathLife))]
[JsonSerializable(typeof(WaitingPathList))]
[JsonSerializable(typeof(FsckFinding))]
[JsonSerializable(typeof(FsckSummary))]
[JsonSerializable(typeof(SetPin))]
[JsonSerializable(typeof(PushPin))]
[JsonSerializable(typeof(RollbackPin))]
[JsonSerializable(typeof(Pin))]
[JsonSerializable(typeof(PinList))]
[JsonSerializable(typeof(DeploymentReport))]
[JsonSerializable(typeof(DeploymentList))]
[JsonSerializable(typeof(CreateToken))]
[JsonSerializable(typeof(CreatedToken))]
[JsonSerializable(typeof(TokenList))]
[JsonSerializable(typeof(AuditLine))]
[JsonSerializable(typeof(AuditPage))]
[JsonSerializable(typeof(EvictRequest))]
[JsonSerializable(typeof(Eviction))]
[JsonSerializable(typeof(PublishedPaths))]
[JsonSerializable(typeof(BarList))]
[JsonSerializable(typeof(WhoAmI))]
[JsonSerializable(typeof(CheckAccess))]
[JsonSerializable(typeof(AccessChecked))]
[JsonSerializable(typeof(BlockSubjects))]
[JsonSerializable(typeof(Blocked))]
[JsonSerializable(typeof(BlockList))]
[JsonSerializable(typeof(CacheSettings))]
[JsonSerializable(typeof(CreateCache))]
[JsonSerializable(typeof(CacheDescription))]
[JsonSerializable(typeof(CacheList))]
[JsonSerializable(typeof(AddKey))]
[JsonSerializable(typeof(SetKey))]
[JsonSerializable(typeof(KeyList))]
[JsonSerializable(typeof(System.Text.Json.Nodes.JsonObject))]
public sealed partial class ProtocolJson : JsonSerializerContext;

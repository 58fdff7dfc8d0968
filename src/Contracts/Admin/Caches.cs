using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace OrleansCache.Contracts;

/// <summary>The settings of a cache. What is absent is as the servers' own options say, which are those of the default cache.</summary>
public sealed record CacheSettings
{
    /// <summary>The bucket, at the servers' endpoint and with their credentials; absent: the servers' own.</summary>
    public string? Bucket { get; init; }

    /// <summary>Begins each key in the bucket; absent: <c>c/NAME/</c> below the servers' own prefix.</summary>
    public string? Prefix { get; init; }

    /// <summary>Reads need a credential for this cache; absent: they do not.</summary>
    public bool? Private { get; init; }

    /// <summary>
    /// The cache that this one is a stage of, fixed when it is made: it is private, and takes from there what a push to it need not upload.
    /// </summary>
    public string? StageOf { get; init; }

    /// <summary>
    /// Of a stage that votes: what so many voters say alike goes to the cache that it is a stage of. With several stages of one cache the
    /// largest number holds.
    /// </summary>
    public int? Agreement { get; init; }

    /// <summary>
    /// Public keys, <c>name:base64</c>: what bears a signature of one in this stage goes to the cache that it is a stage of.
    /// </summary>
    public IReadOnlyList<string>? PromotionKeys { get; init; }

    /// <summary>Paths leave this stage without a person, so a server reads each NAR before it is published here.</summary>
    [JsonIgnore]
    public bool IsPromotedFrom => Agreement is not null || PromotionKeys is not null;

    /// <summary>Reads need a credential: of a stage whatever <see cref="Private"/> says.</summary>
    [JsonIgnore]
    public bool IsPrivate => Private == true || StageOf is not null;

    /// <summary>The <c>Priority</c> in <c>nix-cache-info</c>; Nix asks caches of lower numbers first.</summary>
    public int? Priority { get; init; }

    /// <summary>Names under which a client finds this cache at the root, with their port if it is not the usual one.</summary>
    public IReadOnlyList<string>? Hosts { get; init; }

    /// <summary>When garbage is collected: a cron expression in UTC, or <c>off</c>.</summary>
    public string? GcSchedule { get; init; }

    /// <summary>How long a closure is kept after its last push, such as <c>720h</c>.</summary>
    public string? GcOlderThan { get; init; }

    public string? GcFailedUploadsOlderThan { get; init; }

    public string? GcGrace { get; init; }

    /// <summary><c>adopt</c>, <c>always</c> or <c>off</c>.</summary>
    public string? Verify { get; init; }

    /// <summary>
    /// Caches whose paths count as there, each as its URL and the keys that sign its paths: <c>https://cache.nixos.org
    /// cache.nixos.org-1:6NCH…=</c>.
    /// </summary>
    public IReadOnlyList<string>? Upstreams { get; init; }

    /// <summary>Pins may keep closures that only an upstream completes.</summary>
    public bool? UpstreamPins { get; init; }

    /// <summary>Bytes that the cache may have in its store; absent: any number.</summary>
    public long? QuotaBytes { get; init; }

    /// <summary>Paths that the cache may have; absent: any number.</summary>
    public long? QuotaPaths { get; init; }

    /// <summary>Files of secret keys on each server; in a file of caches only.</summary>
    public IReadOnlyList<string>? Keys { get; init; }

    /// <summary>The names of the members, in their order.</summary>
    public static IReadOnlyList<string> Members { get; } = ["bucket", "prefix", "private", "stageOf", "agreement",
        "promotionKeys", "priority", "hosts", "gcSchedule", "gcOlderThan", "gcFailedUploadsOlderThan", "gcGrace", "verify", "upstreams",
        "upstreamPins", "quotaBytes", "quotaPaths", "keys"];

    /// <summary>Members that concern other caches, too.</summary>
    public static IReadOnlyList<string> OperatorMembers { get; } = ["bucket", "prefix", "stageOf", "agreement", "promotionKeys",
        "hosts", "upstreams", "quotaBytes", "quotaPaths"];
}

/// <summary>A request for a new cache.</summary>
public sealed record CreateCache
{
    public required string Name { get; init; }

    /// <summary>Members of <see cref="CacheSettings"/>, and no others.</summary>
    public JsonObject? Settings { get; init; }
}

/// <summary>A cache of the servers' file.</summary>
public sealed record DeclaredCache(CacheName Name, CacheSettings Settings);

/// <summary>A cache as its admins see it.</summary>
public sealed record CacheDescription
{
    public required string Name { get; init; }

    public required CacheSettings Settings { get; init; }

    /// <summary>URL to put into <c>substituters</c>, and <c>nix copy --to</c>.</summary>
    public Uri? Substituter { get; init; }

    /// <summary><c>name:base64</c>, for <c>trusted-public-keys</c>.</summary>
    public IReadOnlyList<string> PublicKeys { get; set; } = [];

    /// <summary>The servers' file of caches has it, so that only the file changes it.</summary>
    public bool Declared { get; init; }

    public required DateTimeOffset Created { get; init; }

    /// <summary>Since when it is being deleted.</summary>
    public DateTimeOffset? Deleting { get; init; }

    /// <summary>Bytes in its store, as last counted; absent without a quota.</summary>
    public long? UsedBytes { get; init; }

    /// <summary>Paths, as last counted; absent without a quota.</summary>
    public long? UsedPaths { get; init; }

    /// <summary>Why the server that answers does not serve it.</summary>
    public string? Trouble { get; init; }

    /// <summary>Why what is private in it is not, and what to do. A list of caches does not tell.</summary>
    public string? Exposure { get; init; }
}

public sealed record CacheList
{
    public required IReadOnlyList<CacheDescription> Caches { get; init; }
}

/// <summary>A key that signs the paths of a cache, or has signed them.</summary>
public sealed record CacheKey
{
    /// <summary>The part of its text before the colon.</summary>
    public required string Name { get; init; }

    /// <summary><c>name:base64</c>.</summary>
    public required string PublicKey { get; init; }

    public required KeyState State { get; init; }

    /// <summary>Its secret is in a file of the servers, else in the catalog.</summary>
    public bool InFile { get; init; }

    /// <summary>Absent: the servers' command line or file names it, and nobody has changed its state.</summary>
    public DateTimeOffset? Created { get; init; }

    /// <summary>What was published before is being signed with it; when all is, the others become verifying where this key replaces
    /// them.</summary>
    public bool Signing { get; init; }

    /// <summary>The share of the paths that was looked at, from 0 to 1, while it is signing.</summary>
    public double? Progress { get; init; }
}

public sealed record KeyList
{
    public required IReadOnlyList<CacheKey> Keys { get; init; }
}

/// <summary>A new key for a cache.</summary>
public sealed record AddKey
{
    /// <summary>Its name, such as <c>cache.example.org-2</c>; absent: the name of the last key with the next number.</summary>
    public string? Name { get; init; }

    /// <summary>The other keys become <c>verifying</c> once all is signed with this one.</summary>
    public bool Replaces { get; init; }
}

/// <summary>Changes the state of a key.</summary>
public sealed record SetKey
{
    public required KeyState State { get; init; }

    /// <summary>Also when no other key has signed all that is there: readers then meet paths that they do not trust.</summary>
    public bool Force { get; init; }
}

public enum KeyState
{
    /// <summary>Signs what is published.</summary>
    Active,

    /// <summary>Signs nothing any more; its signatures stay, and readers are still told to trust it.</summary>
    Verifying,

    /// <summary>Readers are no longer told of it.</summary>
    Retired,
}

public sealed class KeyStateConverter() : JsonStringEnumConverter<KeyState>(JsonNamingPolicy.KebabCaseLower);

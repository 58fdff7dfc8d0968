using System.Text.Json.Serialization;
using OrleansCache.Nix;

namespace OrleansCache.Contracts;

/// <summary>Opens a push: the whole closure of <see cref="Roots"/>, at most 100,000 paths.</summary>
/// <remarks>
/// Each reference of a path must be the hash of a path in <see cref="Paths"/>, else the answer is <c>closure-incomplete</c>.
/// </remarks>
public sealed record BeginPush
{
    /// <summary>The top paths, whose retention the push renews. At least one; each is in <see cref="Paths"/>.</summary>
    public required IReadOnlyList<StorePathHash> Roots { get; init; }

    public required IReadOnlyList<PathDeclaration> Paths { get; init; }

    /// <summary>Build logs that the client can send.</summary>
    public IReadOnlyList<LogDeclaration> Logs { get; set; } = [];

    /// <summary>Realisations of content-addressed derivations that the client can send.</summary>
    public IReadOnlyList<RealisationDeclaration> Realisations { get; set; } = [];

    /// <summary>A pin on the one root. The commit sets it: both are done or neither.</summary>
    public PushPin? Pin { get; init; }

    /// <summary>False: the cache is to have all of the closure, whatever its upstreams have.</summary>
    public bool? Upstream { get; init; }

    /// <summary>
    /// Other publishers, such as <c>token:7</c>, who may commit this push. Beside them only its publisher and admins can.
    /// </summary>
    public IReadOnlyList<string>? Committers { get; init; }
}

/// <summary>What the client knows of one store path; the fields of <c>nix path-info --json</c>.</summary>
public sealed record PathDeclaration
{
    /// <summary>Written as the base name, <c>hash-name</c>.</summary>
    public required StorePath Path { get; init; }

    public required Sha256Hash NarHash { get; init; }

    /// <summary>Bytes of the NAR, uncompressed: 1 to <see cref="NarInfo.MaxNarSize"/>.</summary>
    public required long NarSize { get; init; }

    /// <summary>Direct references by their hashes, with the path's own when it refers to itself.</summary>
    public IReadOnlyList<StorePathHash> References { get; set; } = [];

    public StorePath? Deriver { get; init; }

    /// <summary>Content address as Nix writes it, <c>fixed:r:sha256:…</c> or <c>text:sha256:…</c>.</summary>
    public ContentAddress? Ca { get; init; }

    /// <summary>
    /// Signatures <c>keyname:base64</c> that the path has already. Of foreign ones 16 are kept; malformed ones are left out.
    /// </summary>
    [JsonConverter(typeof(SignaturesConverter))]
    public IReadOnlyList<string> Signatures { get; set; } = [];
}

/// <summary>A build log, stored as <c>log/&lt;drv&gt;</c> and kept as long as <see cref="Path"/>.</summary>
public sealed record LogDeclaration
{
    /// <summary>Base name of the derivation, <c>hash-name.drv</c>.</summary>
    public required StorePath Drv { get; init; }

    /// <summary>The path of this push that the log belongs to.</summary>
    public required StorePathHash Path { get; init; }
}

/// <summary>A realisation, stored as <c>realisations/&lt;id&gt;.doi</c> and kept as long as <see cref="Path"/>.</summary>
public sealed record RealisationDeclaration
{
    /// <summary>
    /// <c>sha256:&lt;hex&gt;!&lt;output&gt;</c> (older Nix) or <c>&lt;hash-name.drv&gt;^&lt;output&gt;</c> (build traces of newer Nix).
    /// </summary>
    public required RealisationId Id { get; init; }

    /// <summary>The output path of this push that the realisation belongs to.</summary>
    public required StorePathHash Path { get; init; }
}

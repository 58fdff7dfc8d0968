using OrleansCache.Core.Caches;
using OrleansCache.Core.Common;
using OrleansCache.Core.Publish;
using OrleansCache.Core.Store;
using OrleansCache.Core.Upstreams;
using OrleansCache.Nix;

namespace OrleansCache.Core;

/// <summary>Settings of a process that takes part in the write path.</summary>
public sealed record CoreOptions
{
    /// <summary>Npgsql connection string of the catalog.</summary>
    public required string ConnectionString { get; init; }

    /// <summary>The objects of the default cache.</summary>
    public required IObjectStore Store { get; init; }

    /// <summary>Null: the default cache is served alone.</summary>
    public ICachePlaces? Places { get; init; }

    /// <summary>Keys that every published path is signed with, of the default cache; none is allowed.</summary>
    public IReadOnlyList<SecretKey> SigningKeys { get; init; } = [];

    /// <summary>The same, by programs that have the secrets.</summary>
    public IReadOnlyList<SigningCommand> SigningCommands { get; init; } = [];

    /// <summary>Keys whose signatures, when a client sends them, are verified before they are kept.</summary>
    public IReadOnlyList<PublicKey> TrustedKeys { get; init; } = [];

    public PushOptions Pushes { get; init; } = new();

    public GcOptions Gc { get; init; } = new();

    /// <summary>How long lines of the audit log are kept; null: for ever.</summary>
    public TimeSpan? AuditLife { get; init; } = TimeSpan.FromDays(400);

    /// <summary>Sends steps of several pushes that arrive together in one statement.</summary>
    public bool GroupCommit { get; init; }

    /// <summary>Null: the services alone.</summary>
    public IEngine? Engine { get; init; }

    /// <summary>
    /// No push may use paths and NARs from before there were publishers until a server has read them. All processes of a catalog must
    /// agree.
    /// </summary>
    public bool DistrustsLegacy { get; init; }

    public VerifyOptions Verify { get; init; } = new();

    /// <summary>Of the default cache.</summary>
    public UpstreamOptions Upstreams { get; init; } = new();

    /// <summary>False where another process does the background work.</summary>
    public bool Housekeeping { get; init; } = true;
}

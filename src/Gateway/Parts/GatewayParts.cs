using OrleansCache.Contracts;
using OrleansCache.Core;
using OrleansCache.Core.Caches;
using OrleansCache.Core.Inspect;
using OrleansCache.Core.Store;
using OrleansCache.Gateway.Auth;
using OrleansCache.Gateway.Http;

namespace OrleansCache.Gateway.Parts;

/// <summary>What the web application serves: contracts, store and credentials.</summary>
public sealed record GatewayParts
{
    /// <summary>The parts of a core: its contracts, its store and its numbers.</summary>
    public static GatewayParts Of(CacheCore core, ICredentials credentials, Uri publicUrl) => new()
    {
        Pushes = core.Pushes,
        Niks3Pushes = core.Niks3Pushes,
        AtticPushes = core.AtticPushes,
        Contents = core.Contents,
        Paths = core.Paths,
        Collection = core.Collection,
        Fsck = core.Fsck,
        Upstreams = core.Upstreams,
        Pins = core.Pins,
        Deployments = core.Deployments,
        NixCopy = core.NixCopy,
        Tokens = core.Tokens,
        Subjects = core.Subjects,
        Audit = core.Audit,
        Withdrawals = core.Withdrawals,
        Promotions = core.Promotions,
        Store = core.Store,
        Credentials = credentials,
        PingDatabase = core.Database.PingAsync,
        IsOutdated = core.Database.IsOutdatedAsync,
        ReadNumbers = async (cache, cancellationToken) => await core.NumbersAsync(cache, cancellationToken),
        FindDoubts = core.FindDoubtsAsync,
        FindPushTrouble = core.FindPushTroubleAsync,
        StatementCount = () => core.Database.StatementCount,
        Caches = core.Caches,
        FindCache = core.FindCache,
        FindCacheAsync = core.FindCacheAsync,
        FindHost = core.FindHost,
        PublicUrl = publicUrl,
        PublicKeys = core.PublicKeys,
        VerifyPolicy = core.VerifyPolicy,
    };

    public required IPushes Pushes { get; init; }

    public required INiks3Pushes Niks3Pushes { get; init; }

    public required IAtticPushes AtticPushes { get; init; }

    public required ICacheContents Contents { get; init; }

    public required IPaths Paths { get; init; }

    public required IGarbageCollection Collection { get; init; }

    public required IFsck Fsck { get; init; }

    public required IUpstreams Upstreams { get; init; }

    public required IPins Pins { get; init; }

    public required IDeployments Deployments { get; init; }

    public required INixCopy NixCopy { get; init; }

    public required ITokens Tokens { get; init; }

    public required ISubjects Subjects { get; init; }

    /// <summary>Who issuers vouch for; null: the server knows no issuer.</summary>
    public IIdentities? Identities { get; init; }

    public required IAudit Audit { get; init; }

    public required IWithdrawals Withdrawals { get; init; }

    public required IPromotions Promotions { get; init; }

    /// <summary>The store of cache <c>default</c>.</summary>
    public required IObjectStore Store { get; init; }

    public required ICredentials Credentials { get; init; }

    public ICaches Caches { get; init; } = new DefaultAlone();

    /// <summary>A cache as it was last seen; null: there is none, or nobody looks for others than the default one.</summary>
    public Func<CacheName, ServedCache?> FindCache { get; init; } = static _ => null;

    /// <summary>The same, having looked for it where it is not known.</summary>
    public Func<CacheName, CancellationToken, ValueTask<ServedCache?>> FindCacheAsync { get; init; } = static (_, _) =>
        ValueTask.FromResult<ServedCache?>(null);

    /// <summary>The cache whose own this host name is.</summary>
    public Func<string, CacheName?> FindHost { get; init; } = static _ => null;

    /// <summary>Throws when the database does not answer.</summary>
    public required Func<CancellationToken, Task> PingDatabase { get; init; }

    /// <summary>True when a newer server has migrated the database's schema, so this one has to stop.</summary>
    public Func<CancellationToken, Task<bool>> IsOutdated { get; init; } = static _ => Task.FromResult(false);

    /// <summary>How much a cache holds, at most a minute old; null when it is unknown.</summary>
    public Func<CacheName, CancellationToken, Task<CacheNumbers?>> ReadNumbers { get; init; } = static (_, _) =>
        Task.FromResult<CacheNumbers?>(null);

    /// <summary>What an operator should know of a database and bucket that work, a sentence each.</summary>
    public Func<CancellationToken, Task<IReadOnlyList<string>>> FindDoubts { get; init; } = static _ =>
        Task.FromResult<IReadOnlyList<string>>([]);

    /// <summary>Why a push would fail now although database and store answer, in one sentence; null when it would succeed.</summary>
    public Func<CancellationToken, Task<string?>> FindPushTrouble { get; init; } = static _ => Task.FromResult<string?>(null);

    /// <summary>Statements sent to the database since the start.</summary>
    public Func<long> StatementCount { get; init; } = static () => 0;

    /// <summary>The URL at which clients reach this server; it may have a path, which a proxy strips.</summary>
    public required Uri PublicUrl { get; init; }

    /// <summary><c>name:base64</c> of the signing keys.</summary>
    public IReadOnlyList<string> PublicKeys { get; init; } = [];

    /// <summary>What servers read in the store before it is relied on: the value of <c>--verify</c>; null where no core tells.</summary>
    public string? VerifyPolicy { get; init; }

    /// <summary>The <c>Priority</c> in <c>nix-cache-info</c>; Nix asks caches of lower numbers first.</summary>
    public int Priority { get; init; } = 40;

    /// <summary>Reads need a token.</summary>
    public bool IsPrivate { get; init; }

    /// <summary>How long a commit may take before it answers 202.</summary>
    public TimeSpan CommitPatience { get; init; } = TimeSpan.FromSeconds(45);

    /// <summary>How long a change of a pin waits for the bucket before it answers that the bucket will follow.</summary>
    public TimeSpan PinPatience { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>The most that a client may ask for.</summary>
    public RequestLimits Limits { get; init; } = new();

    /// <summary>How clients come by a token.</summary>
    public LoginInfo Login { get => field ?? new LoginInfo { Audience = PublicUrl.OriginalString, Issuers = [] }; init; }

    /// <summary>Tells when the server's certificate expires; null: it talks plain HTTP.</summary>
    public Func<DateTimeOffset>? CertificateEnd { get; init; }

    /// <summary>How long the server, no longer ready, still takes requests after SIGTERM.</summary>
    public TimeSpan DrainDelay { get; init; }

    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>A cache as its readers meet it.</summary>
    /// <exception cref="CacheProblemException"><see cref="ProblemKind.UnknownCache"/>; or this server cannot serve it.</exception>
    public CacheView ViewOf(CacheName cache) => FindCache(cache) is { Settings: { } settings } served
        ? new CacheView(cache, CacheView.UrlOf(PublicUrl, cache, settings), served.Store, settings.IsPrivate,
            settings.Priority ?? Priority, served.PublicKeys, served.VerifyPolicy)
        : cache == CacheName.Default
            ? new CacheView(cache, PublicUrl, Store, IsPrivate, Priority, FindCache(cache)?.PublicKeys ?? PublicKeys, VerifyPolicy)
            : throw new CacheProblemException(ProblemKind.UnknownCache, $"There is no cache '{cache}' on this server.");

    /// <summary>See <see cref="CachePrivacy"/>.</summary>
    public async ValueTask<bool?> FindPrivacyAsync(CacheName cache, bool looks, CancellationToken cancellationToken) =>
        cache == CacheName.Default ? IsPrivate
            : (looks ? await FindCacheAsync(cache, cancellationToken) : FindCache(cache)) is { Settings: { } settings }
                ? settings.IsPrivate : null;
}

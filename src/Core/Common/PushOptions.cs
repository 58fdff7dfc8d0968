namespace OrleansCache.Core.Common;

/// <summary>Times and limits of a push. The defaults are right unless measured otherwise.</summary>
public sealed record PushOptions
{
    /// <summary>How long an open push lives without a renewal.</summary>
    public TimeSpan Life { get; init; } = TimeSpan.FromHours(1);

    public TimeSpan RenewAfter { get; init; } = TimeSpan.FromMinutes(15);

    /// <summary>
    /// The life of upload URLs of a client that asks for fresh ones. They keep working for that long after its token is revoked.
    /// </summary>
    public TimeSpan UrlLife { get; init; } = TimeSpan.FromMinutes(15);

    /// <summary>The life of a push, and of its upload URLs, for clients that neither renew a push nor ask for other URLs.</summary>
    public TimeSpan Niks3Life { get; init; } = TimeSpan.FromHours(5);

    /// <summary>
    /// How long what a client was told is there is held, for clients that open no push: two hours, and ten minutes more, as a hold is never
    /// extended by less than ten minutes.
    /// </summary>
    public TimeSpan HoldLife { get; init; } = TimeSpan.FromMinutes(130);

    /// <summary>A NAR up to this size is uploaded by one PUT.</summary>
    public long SinglePutLimit { get; init; } = 16 << 20;

    /// <summary>
    /// A NAR up to this size newer clients of niks3 send to the gateway by one PUT, whatever the store: it costs a bucket one request
    /// instead of four, and is most of the paths and little of the bytes.
    /// </summary>
    public long Niks3SinglePutLimit { get; init; } = 1 << 20;

    /// <summary>The smallest part of a multipart upload (S3's minimum is 5 MiB).</summary>
    public long PartSize { get; init; } = 8 << 20;

    public int MaxPaths { get; init; } = 100_000;

    /// <summary>References of one path. A reading looks for so many at once.</summary>
    public int MaxReferences { get; init; } = 20_000;

    /// <summary>References of all paths of a push. With twice as many a commit's statement may take longer than it is waited for.</summary>
    public long MaxReferencesOfPush => 100L * MaxReferences;

    public Quotas Quotas { get; init; } = new();

    /// <summary>The longest time within which a write of a publisher or a deletion can take effect.</summary>
    public TimeSpan Fence { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>
    /// The tolerated difference between the store's clock and the database's; an open intent is taken over only after it.
    /// </summary>
    public TimeSpan FenceMargin { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>A committing push whose publisher was silent for this long is finished by another process.</summary>
    public TimeSpan CommitLease { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>
    /// The time between the expiry of a NAR's last URL and the second deletion of its key: an upload that began before may end late.
    /// </summary>
    public TimeSpan LateUpload { get; init; } = TimeSpan.FromDays(1);

    /// <summary>
    /// How long after a key was made every server signs with it: each has learned of it, and what it had begun before has ended.
    /// </summary>
    public TimeSpan KeySettles { get; init; } = TimeSpan.FromSeconds(90);

    /// <summary>Narinfos written at once.</summary>
    public int PublishParallelism { get; init; } = 48;

    /// <summary>Multipart uploads opened at once for one push.</summary>
    public int MultipartsAtOnce { get; init; } = 16;

    /// <summary>How long a push that begins at a stage waits for copies from the parent.</summary>
    public TimeSpan StageCopies { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>The upload rate of a waiting push, in bytes per second, until its own reports tell more.</summary>
    public long DefaultRate { get; init; } = 10_000_000;

    /// <summary>The largest NAR that the gateway takes, in bytes: a small file must not keep it busy for ever.</summary>
    public long MaxNarSize { get; init; } = 64L << 30;

    /// <summary>Recompute the SHA-256 of file and NAR of what was uploaded through a gateway.</summary>
    public bool VerifyLocalUploads { get; init; } = true;

    /// <summary>
    /// Notes what stands in a NAR that passes through the gateway, as <see cref="VerifyPolicy.Always"/> asks it of each; else it is read
    /// again when a commit asks.
    /// </summary>
    public bool NotesReferences { get; init; }

    /// <summary>
    /// How long ago a push lapsed that has been silent for <paramref name="silence"/>. An open push is never given up before it lapses.
    /// </summary>
    public TimeSpan LapsedBefore(TimeSpan silence) => silence > Life ? silence - Life : TimeSpan.Zero;
}

namespace OrleansCache.Core.Common;

/// <summary>Times and limits of a push. The defaults are right unless measured otherwise.</summary>
public sealed record PushOptions
{
    /// <summary>How long an open push lives without a renewal.</summary>
    public TimeSpan Life { get; init; } = TimeSpan.FromHours(1);

    public TimeSpan RenewAfter { get; init; } = TimeSpan.FromMinutes(15);

    /// <summary>How long upload URLs work whose client asks for fresh ones: what they still allow when its token is revoked.</summary>
    public TimeSpan UrlLife { get; init; } = TimeSpan.FromMinutes(15);

    /// <summary>How long a push lives, and its upload URLs work, whose client neither renews the one nor asks for others.</summary>
    public TimeSpan Niks3Life { get; init; } = TimeSpan.FromHours(5);

    /// <summary>A NAR up to this size is uploaded by one PUT.</summary>
    public long SinglePutLimit { get; init; } = 16 << 20;

    /// <summary>The smallest part of a multipart upload (S3's minimum is 5 MiB).</summary>
    public long PartSize { get; init; } = 8 << 20;

    public int MaxPaths { get; init; } = 100_000;

    public Quotas Quotas { get; init; } = new();

    /// <summary>A publisher's or a deletion's write can take effect for this long at most.</summary>
    public TimeSpan Fence { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>What the store's clock may differ from the database's before an open intent is taken over.</summary>
    public TimeSpan FenceMargin { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>A committing push whose publisher was silent for this long is finished by another process.</summary>
    public TimeSpan CommitLease { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>
    /// A NAR's key is deleted a second time so long after its last URL has expired: an upload that began before may end late.
    /// </summary>
    public TimeSpan LateUpload { get; init; } = TimeSpan.FromDays(1);

    /// <summary>Narinfos written at once.</summary>
    public int PublishParallelism { get; init; } = 48;

    /// <summary>Multipart uploads opened at once for one push.</summary>
    public int MultipartsAtOnce { get; init; } = 16;

    /// <summary>Bytes per second that a waiting push is taken to upload with until its own reports tell more.</summary>
    public long DefaultRate { get; init; } = 10_000_000;

    /// <summary>The largest NAR that is taken through the gateway, in bytes: a small file must not keep it busy for ever.</summary>
    public long MaxNarSize { get; init; } = 64L << 30;

    /// <summary>Recompute the SHA-256 of file and NAR of what was uploaded through a gateway.</summary>
    public bool VerifyLocalUploads { get; init; } = true;

    /// <summary>
    /// How long ago a push lapsed that showed no sign of life for <paramref name="silence"/>: an open one is never given up before it
    /// lapses.
    /// </summary>
    public TimeSpan LapsedBefore(TimeSpan silence) => silence > Life ? silence - Life : TimeSpan.Zero;
}

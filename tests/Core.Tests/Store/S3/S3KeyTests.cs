using OrleansCache.Core.Store.S3;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Core.Tests.Store.S3;

/// <summary>A bucket in which a second user's key, which signs URLs for others, has the rights of docs/server.md.</summary>
/// <param name="policy">The bucket's policy.</param>
public abstract class S3KeyTests(Func<UploadUser, string, string> policy) : IAsyncLifetime
{
    protected const string Prefix = "cache/";
    protected static readonly CancellationToken None = CancellationToken.None;
    protected static readonly HttpClient Http = new();

    private protected CephServer Ceph { get; private set; } = null!;

    private protected UploadUser User { get; private set; } = null!;

    /// <summary>The server's own key, and no other.</summary>
    private protected S3Options Options { get; private set; } = null!;

    public async Task InitializeAsync()
    {
        if (UploadUser.MissingReason is not null)
            return;
        (Ceph, User) = (await CephServer.Shared, CephServer.Uploader!);
        Options = new S3Options
        {
            Endpoint = Ceph.Endpoint,
            Region = Ceph.Region,
            Bucket = await Ceph.CreateBucketAsync(),
            Prefix = Prefix,
            AccessKey = Ceph.AccessKey,
            SecretKey = Ceph.SecretKey,
        };
        await Ceph.SetPolicyAsync(Options.Bucket, policy(User, Options.Bucket));
    }

    public Task DisposeAsync() => Task.CompletedTask;
}

using OrleansCache.Core.Objects;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Core.Tests.Objects;

/// <summary>Over a real server; each test has a prefix of its own in one bucket.</summary>
public sealed class S3ObjectStoreTests : ObjectStoreTests, IClassFixture<S3ObjectStoreTests.Bucket>
{
    private static readonly HttpClient Http = new();
    private readonly Bucket _bucket;

    public S3ObjectStoreTests(Bucket bucket) => _bucket = bucket;

    private S3ObjectStore S3 => (S3ObjectStore)Store;

    protected override Task<IObjectStore> CreateAsync() => Task.FromResult<IObjectStore>(new S3ObjectStore(_bucket.Options with { Prefix = $"t/{Guid.NewGuid():n}" }));

    protected override async Task<(int Status, string? ETag)> UploadAsync(Uri url, IReadOnlyDictionary<string, string> headers, byte[] body)
    {
        using var request = new HttpRequestMessage(HttpMethod.Put, url) { Content = new ByteArrayContent(body) };
        foreach (var (name, value) in headers)
        {
            if (!request.Headers.TryAddWithoutValidation(name, value))
                request.Content.Headers.TryAddWithoutValidation(name, value);
        }

        using var response = await Http.SendAsync(request);
        return ((int)response.StatusCode, response.Headers.ETag?.Tag.Trim('"'));
    }

    public override Task DisposeAsync()
    {
        S3.Dispose();
        return Task.CompletedTask;
    }

    public sealed class Bucket : IAsyncLifetime
    {
        public S3Options Options { get; private set; } = null!;

        public async Task InitializeAsync()
        {
            if (CephServer.MissingReason is not null)
                return;
            var server = await CephServer.Shared;
            Options = new S3Options
            {
                Endpoint = server.Endpoint,
                Region = server.Region,
                AccessKey = server.AccessKey,
                SecretKey = server.SecretKey,
                Bucket = await server.CreateBucketAsync(),
            };
        }

        public Task DisposeAsync() => Task.CompletedTask;
    }
}

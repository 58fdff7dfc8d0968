namespace OrleansCache.Core.Store.S3;

/// <summary>Settings of an <see cref="S3ObjectStore"/>.</summary>
public sealed record S3Options
{
    public required string Bucket { get; init; }

    /// <summary>The server's base URL; null: Amazon's, of the region.</summary>
    public Uri? Endpoint { get; init; }

    /// <summary>The base URL under which clients reach the same server, for their URLs; null: <see cref="Endpoint"/>.</summary>
    public Uri? UploadEndpoint { get; init; }

    public string Region { get; init; } = "us-east-1";

    /// <summary>Begins every key in the bucket; a slash is added when it lacks one. Empty: none.</summary>
    public string Prefix { get; init; } = "";

    /// <summary>The bucket in the path instead of in the host's name; null: with an endpoint of one's own.</summary>
    public bool? PathStyle { get; init; }

    /// <summary>Null: the SDK's default chain (environment, profile, container, instance role).</summary>
    public string? AccessKey { get; init; }

    public string? SecretKey { get; init; }

    public string? SessionToken { get; init; }

    /// <summary>The key that signs clients' URLs, so that a URL allows no more than this key may do; null: the server's own.</summary>
    public string? UploadAccessKey { get; init; }

    public string? UploadSecretKey { get; init; }

    /// <summary>The key that signs the URLs that readers get their NARs from; null: they get none.</summary>
    public string? ReadAccessKey { get; init; }

    public string? ReadSecretKey { get; init; }

    /// <summary>Clients' PUTs carry <c>If-None-Match: *</c>. Off only for a server that does not know it.</summary>
    public bool IfNoneMatch { get; init; } = true;

    /// <summary>
    /// An ETag is the MD5 of the body. Off where it is not (SSE-KMS, SSE-C): then only the size of a presigned body is checked.
    /// </summary>
    public bool EtagIsMd5 { get; init; } = true;

    /// <summary>
    /// <c>If-None-Match: *</c> keeps a URL from being used twice. When off, clients get no URL for a PUT of a whole object.
    /// </summary>
    public bool SingleUse { get; init; } = true;

    /// <summary>Each PUT of the server carries <c>Content-MD5</c>, as Object Lock wants it.</summary>
    public bool SendsMd5 { get; init; }

    /// <summary>The most requests at once; when the store asks to slow down, the limit adapts below that.</summary>
    public int MaxConnections { get; init; } = 64;

    internal string KeyPrefix => Prefix.Length == 0 || Prefix.EndsWith('/') ? Prefix : Prefix + "/";

    /// <summary>The bucket's URL, with a slash at its end.</summary>
    internal Uri BucketUrl => BucketAt(Endpoint);

    /// <summary>The bucket's URL as clients reach it, with a slash at its end.</summary>
    internal Uri UploadBucketUrl => BucketAt(UploadEndpoint ?? Endpoint);

    internal bool IsPathStyle => PathStyle ?? Endpoint is not null;

    private Uri BucketAt(Uri? endpoint)
    {
        var server = endpoint ?? new Uri($"https://s3.{Region}.amazonaws.com");
        return IsPathStyle
            ? new Uri($"{server.AbsoluteUri.TrimEnd('/')}/{UriText.Escape(Bucket)}/")
            : new UriBuilder(server) { Host = $"{Bucket}.{server.Host}", Path = server.AbsolutePath.TrimEnd('/') + "/" }.Uri;
    }
}

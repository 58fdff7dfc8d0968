using OrleansCache.Core.Common;

namespace OrleansCache.Gateway.Hosting;

/// <summary>A bucket and how to reach it.</summary>
public sealed record S3Settings
{
    public required string Bucket { get; init; }

    public Uri? Endpoint { get; init; }

    /// <summary>The endpoint that clients upload to and read from; null: <see cref="Endpoint"/>.</summary>
    public Uri? UploadEndpoint { get; init; }

    public string Region { get; init; } = "us-east-1";

    public string Prefix { get; init; } = "";

    /// <summary>Null: path style with an endpoint only.</summary>
    public bool? PathStyle { get; init; }

    public string? AccessKey { get; init; }

    public string? SecretKey { get; init; }

    /// <summary>The access key that signs clients' URLs; null: the server's own.</summary>
    public string? UploadAccessKey { get; init; }

    public string? UploadSecretKey { get; init; }

    /// <summary>The access key that signs the URLs that readers get their NARs from; null: the server sends the bytes itself.</summary>
    public string? ReadAccessKey { get; init; }

    public string? ReadSecretKey { get; init; }

    internal static S3Settings? From(Func<string, string?> one)
    {
        string[] others = ["s3-endpoint", "s3-upload-endpoint", "s3-region", "s3-prefix", "s3-path-style", "s3-access-key-file",
            "s3-secret-key-file", "s3-upload-access-key-file", "s3-upload-secret-key-file", "s3-read-access-key-file",
            "s3-read-secret-key-file"];
        if (one("s3-bucket") is not { } bucket)
        {
            return others.FirstOrDefault(name => one(name) is not null) is { } lonely
                ? throw new StartupException($"--{lonely} is given without --s3-bucket: name the bucket too.")
                : null;
        }

        var own = KeyOf("", "to use the environment's credentials", one);
        var uploads = KeyOf("upload-", "to sign upload URLs with the server's own key", one);
        var reads = KeyOf("read-", "to send NARs through this server", one);
        return new S3Settings
        {
            Bucket = bucket,
            Endpoint = one("s3-endpoint") is { } endpoint ? ParseEndpoint("--s3-endpoint", endpoint, bucket) : null,
            UploadEndpoint = one("s3-upload-endpoint") is { } upload ? ParseEndpoint("--s3-upload-endpoint", upload, bucket) : null,
            Region = one("s3-region") ?? "us-east-1",
            Prefix = ParsePrefix(one("s3-prefix") ?? ""),
            PathStyle = one("s3-path-style") is null ? null : ServerSettings.Flag("s3-path-style", one),
            AccessKey = own?.Access,
            SecretKey = own?.Secret,
            UploadAccessKey = uploads?.Access,
            UploadSecretKey = uploads?.Secret,
            ReadAccessKey = reads?.Access,
            ReadSecretKey = reads?.Secret,
        };
    }

    private static (string Access, string Secret)? KeyOf(string purpose, string without, Func<string, string?> one)
    {
        var (access, secret) = ($"s3-{purpose}access-key-file", $"s3-{purpose}secret-key-file");
        return (one(access), one(secret)) switch
        {
            (null, null) => null,
            ({ } accessFile, { } secretFile) => (ServerSettings.ReadText($"--{access}", accessFile),
                ServerSettings.ReadText($"--{secret}", secretFile)),
            _ => throw new StartupException($"--{access} and --{secret} belong together: give both, or neither {without}."),
        };
    }

    private static Uri ParseEndpoint(string option, string text, string bucket)
    {
        var url = ServerSettings.ParseUrl(option, text);
        return url.AbsolutePath.TrimEnd('/').EndsWith($"/{bucket}", StringComparison.Ordinal)
            ? throw new StartupException(
                $"{option} is '{text}', which ends with the bucket: give the URL of the store alone, " +
                $"{url.AbsoluteUri.TrimEnd('/')[..^(bucket.Length + 1)]}; --s3-bucket names the bucket.")
            : url;
    }

    // Some servers take an empty name between slashes for a key of its own, others do not.
    private static string ParsePrefix(string text) => text.StartsWith('/') || text.Contains("//", StringComparison.Ordinal)
        ? throw new StartupException(
            $"--s3-prefix is '{text}': keys begin with a name, not with a slash. Give " +
            $"'{string.Join('/', text.Split('/', StringSplitOptions.RemoveEmptyEntries))}'.")
        : text;
}

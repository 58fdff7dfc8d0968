using Amazon.S3;
using Amazon.S3.Model;
using Minio;
using Minio.DataModel.Args;
using Minio.Exceptions;

namespace OrleansCache.Testing;

/// <summary>What a cache consists of, seen from beside the gateway: keys and bytes.</summary>
public interface IObjects
{
    /// <summary>Every key that begins with <paramref name="prefix"/>.</summary>
    Task<IReadOnlyList<string>> KeysAsync(string prefix = "");

    /// <summary>Its size in bytes; null when it is not there.</summary>
    Task<long?> SizeAsync(string key);

    /// <summary>Its bytes as they are stored; null when it is not there.</summary>
    Task<byte[]?> ReadAsync(string key);
}

/// <summary>The objects of a directory store.</summary>
public sealed class ObjectFolder(string root) : IObjects
{
    public Task<IReadOnlyList<string>> KeysAsync(string prefix = "") => Task.FromResult<IReadOnlyList<string>>(
    [
        .. Directory.EnumerateFiles(root, "*", SearchOption.AllDirectories)
            .Select(file => Path.GetRelativePath(root, file))
            // Names with a dot are the store's own.
            .Where(key => !key.StartsWith('.') && key.StartsWith(prefix, StringComparison.Ordinal)),
    ]);

    public Task<long?> SizeAsync(string key) => Task.FromResult(new FileInfo(Path.Combine(root, key)) is { Exists: true } file
        ? file.Length : (long?)null);

    public async Task<byte[]?> ReadAsync(string key) => File.Exists(Path.Combine(root, key))
        ? await File.ReadAllBytesAsync(Path.Combine(root, key)) : null;
}

/// <summary>
/// A new bucket, which anybody may read. Objects are read by another implementation of S3 than the server writes them with.
/// </summary>
public sealed class ObjectBucket : IObjects, IDisposable
{
    private readonly CephServer _server;
    private readonly AmazonS3Client _client;
    private readonly IMinioClient _reader;
    private readonly TempFolder _keys = new("oc-s3-keys-");

    private ObjectBucket(CephServer server, string name, UploadUser? uploader, UploadUser? reader)
    {
        (_server, Name) = (server, name);
        UploadOptions = [.. KeyOptions("upload", uploader), .. KeyOptions("read", reader)];

        _client = server.CreateClient();
        _reader = server.CreateSecondClient();
        WriteSecret("access", server.AccessKey);
        WriteSecret("secret", server.SecretKey);
    }

    private string[] KeyOptions(string purpose, UploadUser? user)
    {
        if (user is null)
            return [];
        var (access, secret) = ($"{purpose}-access", $"{purpose}-secret");
        WriteSecret(access, user.AccessKey);
        WriteSecret(secret, user.SecretKey);
        return [$"--s3-{access}-key-file", _keys[access], $"--s3-{secret}-key-file", _keys[secret]];
    }

    // A server warns of one that others can read.
    private void WriteSecret(string name, string text)
    {
        File.WriteAllText(_keys[name], text);
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(_keys[name], UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }

    public string Name { get; }

    /// <summary>What stock Nix has as its substituter.</summary>
    public string Url => $"{_server.Endpoint.ToString().TrimEnd('/')}/{Name}";

    /// <summary>The options that make a server use it.</summary>
    public string[] ServerOptions => [.. PlaceOptions, "--s3-access-key-file", _keys["access"], "--s3-secret-key-file", _keys["secret"],
        .. UploadOptions];

    /// <summary>The keys for clients' URLs; none when the server signs them with its own.</summary>
    public string[] UploadOptions { get; } = [];

    /// <summary>The same without keys, which the server is to find by itself.</summary>
    public string[] PlaceOptions => ["--s3-bucket", Name, "--s3-endpoint", _server.Endpoint.ToString(), "--s3-region", _server.Region];

    /// <param name="uploader">Who signs the URLs that clients upload to; null: the server.</param>
    /// <param name="keepsVersions">It is versioned.</param>
    public static async Task<ObjectBucket> CreateAsync(UploadUser? uploader = null, bool keepsVersions = false)
    {
        var server = await CephServer.Shared;
        var bucket = new ObjectBucket(server, await server.CreateBucketAsync(), uploader, null);
        if (keepsVersions)
            await server.KeepVersionsAsync(bucket.Name);
        var readers = $$"""
            {"Effect":"Allow","Principal":{"AWS":["*"]},"Action":["s3:GetObject","s3:ListBucket"],"Resource":["arn:aws:s3:::{{bucket.Name}}","arn:aws:s3:::{{bucket.Name}}/*"]}
            """;
        await server.SetPolicyAsync(bucket.Name, uploader?.Policy(bucket.Name, more: readers)
            ?? $$"""{"Version":"2012-10-17","Statement":[{{readers}}]}""");
        return bucket;
    }

    /// <summary>A bucket that nobody may read but its server, and by its URLs whoever has one.</summary>
    public static async Task<ObjectBucket> CreatePrivateAsync(UploadUser reader)
    {
        var server = await CephServer.Shared;
        var bucket = new ObjectBucket(server, await server.CreateBucketAsync(), null, reader);
        await server.SetPolicyAsync(bucket.Name, reader.ReadPolicy(bucket.Name));
        return bucket;
    }

    public async Task<IReadOnlyList<string>> KeysAsync(string prefix = "")
    {
        var keys = new List<string>();
        await foreach (var item in _reader.ListObjectsEnumAsync(new ListObjectsArgs().WithBucket(Name).WithPrefix(prefix)
            .WithRecursive(true)))
            keys.Add(item.Key);
        return keys;
    }

    public async Task<long?> SizeAsync(string key)
    {
        try
        {
            return (await _reader.StatObjectAsync(new StatObjectArgs().WithBucket(Name).WithObject(key))).Size;
        }
        catch (ObjectNotFoundException)
        {
            return null;
        }
    }

    public async Task<byte[]?> ReadAsync(string key)
    {
        using var bytes = new MemoryStream();
        try
        {
            await _reader.GetObjectAsync(new GetObjectArgs().WithBucket(Name).WithObject(key)
                .WithCallbackStream((body, cancellationToken) => body.CopyToAsync(bytes, cancellationToken)));
            return bytes.ToArray();
        }
        catch (ObjectNotFoundException)
        {
            return null;
        }
    }

    /// <summary>Multipart uploads that are neither completed nor aborted.</summary>
    public async Task<int> OpenMultipartsAsync() =>
        (await _client.ListMultipartUploadsAsync(new ListMultipartUploadsRequest { BucketName = Name })).MultipartUploads?.Count ?? 0;

    public void Dispose()
    {
        _client.Dispose();
        _reader.Dispose();
        _keys.Dispose();
    }
}

using OrleansCache.Testing;

namespace OrleansCache.EndToEnd.Tests.Clients;

/// <summary>A server on one kind of store, with a token that may only read.</summary>
internal sealed class MatrixServer : IAsyncDisposable
{
    private readonly TempFolder _folder = new("oc-matrix-");
    private readonly string _database;
    private readonly ObjectBucket? _bucket;

    private MatrixServer(ServerProcess process, string database, ObjectBucket? bucket) =>
        (Process, _database, _bucket) = (process, database, bucket);

    public ServerProcess Process { get; }

    /// <summary><c>directory</c> or <c>S3</c>.</summary>
    public string Store => _bucket is null ? "directory" : "S3";

    /// <summary>Of a token whose only scope is <c>read</c>.</summary>
    public string ReadTokenFile => _folder["read-token"];

    /// <summary>What machines may have as their substituter.</summary>
    public IEnumerable<(string Name, string Url)> Substituters =>
        [("gateway", Process.Url.ToString()), .. _bucket is null ? Array.Empty<(string, string)>() : [("bucket", _bucket.Url)]];

    public static async Task<MatrixServer> StartAsync(bool onS3)
    {
        var database = await (await PostgresServer.Shared).CreateDatabaseAsync();
        var bucket = onS3 ? await ObjectBucket.CreateAsync() : null;
        var server = new MatrixServer(await ServerProcess.StartAsync(["--postgres", database, .. bucket?.ServerOptions ?? []]), database,
            bucket);
        var token = (await CacheCli.RunAsync("tokens", "create", "--url", $"{server.Process.Url}", "--token-file", server.Process.TokenFile,
            "--name", "reader", "--scope", "read")).OrThrow().Output;
        await File.WriteAllTextAsync(server.ReadTokenFile, token);
        return server;
    }

    /// <summary>Nothing is held any more, and a collection takes all.</summary>
    public async Task CollectAllAsync()
    {
        await NixCopier.ForgetHoldsAsync(_database);
        (await CacheCli.RunAsync("gc", "--url", $"{Process.Url}", "--token-file", Process.TokenFile, "--older-than", "0s", "--force"))
            .OrThrow();
    }

    /// <summary>Whether readers are shown a path.</summary>
    public async Task<bool> ShowsAsync(string path)
    {
        using var http = new HttpClient();
        using var answer = await http.GetAsync(new Uri(Process.Url, $"{Path.GetFileName(path)[..32]}.narinfo"));
        return answer.IsSuccessStatusCode;
    }

    public async ValueTask DisposeAsync()
    {
        await Process.DisposeAsync();
        _bucket?.Dispose();
        _folder.Dispose();
    }
}

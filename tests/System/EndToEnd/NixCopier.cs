using Npgsql;
using OrleansCache.Testing;

namespace OrleansCache.EndToEnd.Tests;

/// <summary>A stock Nix that copies to one server, with a memory of its own: as one machine of a CI.</summary>
internal sealed class NixCopier(ServerProcess server, NixTool nix, Uri? through = null, bool netrc = true, string? tokenFile = null,
    string cache = "default") : IAsyncDisposable
{
    private readonly TempFolder _home = new("oc-nix-home-");
    private readonly Uri _url = through ?? server.Url;

    /// <summary>Copies a closure out of the machine's store.</summary>
    public async Task<ProcessResult> CopyAsync(string path, string? more = null, string query = "") =>
        await nix.RunAsync("nix", [.. Arguments(path, query), .. more is null ? Array.Empty<string>() : [more]], settings: Settings(),
            home: _home.Path);

    /// <summary>Kills a copy once something has happened.</summary>
    public async Task KillAsync(string path, Func<Task<bool>> when)
    {
        await using var copy = nix.Start("nix", Arguments(path, ""), Settings(), _home.Path);
        await Eventually.BecomesTrueAsync(async () => copy.HasExited || await when());
        copy.Kill9();
        await copy.WaitAsync();
    }

    /// <summary>Collects what nothing protects, to the end.</summary>
    public async Task CollectAsync() => (await CacheCli.RunAsync(["gc", .. Server, "--older-than", "0s", "--force"])).OrThrow();

    /// <summary>What a check of catalog and bucket finds.</summary>
    public async Task<string> FsckAsync()
    {
        var result = await CacheCli.RunAsync(["fsck", .. Server]);
        return result.ExitCode == 0 ? "" : result.Output + result.Errors;
    }

    /// <summary>Lets holds lapse: for the database, their credentials were last heard of a day ago.</summary>
    public static async Task ForgetHoldsAsync(string database)
    {
        await using var source = NpgsqlDataSource.Create(database);
        await using var command = source.CreateCommand(
            "update push set expires = expires - interval '1 day', created = created - interval '1 day' where holder is not null");
        await command.ExecuteNonQueryAsync();
    }

    public ValueTask DisposeAsync()
    {
        _home.Dispose();
        return ValueTask.CompletedTask;
    }

    private string[] Server => ["--url", server.Url.ToString(), "--token-file", server.TokenFile];

    private string[] Arguments(string path, string query) => ["copy", "--no-check-sigs", "--to", $"{_url}c/{cache}{query}", path];

    private string Settings()
    {
        if (!netrc)
            return "";
        var token = File.ReadAllText(tokenFile ?? server.TokenFile).Trim();
        File.WriteAllText(_home["netrc"], $"machine 127.0.0.1\nlogin ci\npassword {token}\n");
        return $"netrc-file = {_home["netrc"]}";
    }
}

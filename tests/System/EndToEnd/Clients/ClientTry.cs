using System.Text.RegularExpressions;
using OrleansCache.Testing;

namespace OrleansCache.EndToEnd.Tests.Clients;

/// <summary>One client at one server, with a closure that only it has.</summary>
internal abstract partial class ClientTry(MatrixServer server) : IAsyncDisposable
{
    /// <summary>What a push says that succeeded.</summary>
    public const string Pushed = "yes";

    protected MatrixServer Server => server;

    protected BuiltClosure Closure { get; private set; } = null!;

    public string Root => Closure.Root;

    /// <summary>What must have happened before the server forgets everything.</summary>
    public virtual async Task PrepareAsync() => Closure = await BuiltClosure.MakeAsync();

    /// <summary>Pushes a path that refers to one which is not there, and says what came of it.</summary>
    /// <param name="documented">The answer of a client that cannot send such a path.</param>
    public virtual Task<string> PushWithMissingReferenceAsync(string documented) => Task.FromResult(documented);

    /// <summary>Pushes the closure, and says what came of it: <see cref="Pushed"/>, or how it was refused.</summary>
    /// <param name="tokenFile">Null: without a token.</param>
    public abstract Task<string> PushAsync(string? tokenFile);

    public virtual async ValueTask DisposeAsync()
    {
        if (Closure is not null)
            await Closure.DisposeAsync();
    }

    /// <summary><see cref="Pushed"/>, the status that a program has shown, or all that it has said.</summary>
    protected static string Outcome(ProcessResult result) => result.ExitCode == 0 ? Pushed
        : Status().Match(result.Errors + result.Output) is { Success: true } status ? status.Value
        : $"{result.ExitCode}: {result.Errors}{result.Output}";

    [GeneratedRegex(@"(?<=HTTP error |server returned )[1-5][0-9][0-9]\b")]
    private static partial Regex Status();
}

/// <summary><c>orleans-cache push</c>.</summary>
internal sealed class OwnClientTry(MatrixServer server) : ClientTry(server)
{
    public static async Task<string> VersionAsync() => (await CacheCli.RunAsync("--version")).OrThrow().Output.Trim().Split(' ')[^1];

    public override async Task<string> PushAsync(string? tokenFile)
    {
        var result = await CacheCli.RunAsync(["push", "--url", $"{Server.Process.Url}", .. tokenFile is null ? Array.Empty<string>()
            : ["--token-file", tokenFile], Root]);
        return result.ExitCode == 0 ? Pushed
            : result.Errors.Contains("needs a token", StringComparison.Ordinal) ? $"401, exit code {result.ExitCode}"
            : result.Errors.Contains("lacks the scope 'push'", StringComparison.Ordinal) ? $"403, exit code {result.ExitCode}"
            : Outcome(result);
    }
}

/// <summary>
/// <c>nix copy --to</c>. A Nix sends a path whose reference is missing when it remembers that it has put the reference, and a collection
/// has taken that.
/// </summary>
internal sealed class NixCopyTry(MatrixServer server, NixTool nix) : ClientTry(server)
{
    private const string Query = "?compression=zstd";

    private readonly NixCopier _copier = new(server.Process, nix);

    public override async Task PrepareAsync()
    {
        await base.PrepareAsync();
        (await _copier.CopyAsync(Closure.First, query: Query)).OrThrow();
    }

    public override async Task<string> PushWithMissingReferenceAsync(string documented)
    {
        var result = await _copier.CopyAsync(Root, query: Query);
        return Outcome(result) == "409" && result.Errors.Contains("-matrix-", StringComparison.Ordinal)
            && result.Errors.Contains("--refresh", StringComparison.Ordinal) ? "409, which names the path"
            : Outcome(result) + result.Errors;
    }

    public override async Task<string> PushAsync(string? tokenFile)
    {
        if (tokenFile == Server.Process.TokenFile)
            return Outcome(await _copier.CopyAsync(Root, "--refresh", Query));
        await using var other = new NixCopier(Server.Process, nix, netrc: tokenFile is not null, tokenFile: tokenFile);
        return Outcome(await other.CopyAsync(Root, query: Query));
    }

    public override async ValueTask DisposeAsync()
    {
        await _copier.DisposeAsync();
        await base.DisposeAsync();
    }
}

/// <summary>niks3's own client.</summary>
internal sealed class Niks3Try(MatrixServer server) : ClientTry(server)
{
    // No command of it tells one.
    public static Task<string> VersionAsync() => Task.FromResult("");

    public override async Task<string> PushAsync(string? tokenFile)
    {
        using var empty = new TempFolder("oc-niks3-");
        await File.WriteAllTextAsync(empty["token"], "none\n");
        return Outcome(await ProcessRunner.RunAsync(Niks3TheoryAttribute.Client!, ["push", Root], new Dictionary<string, string?>
        {
            ["NIKS3_SERVER_URL"] = Server.Process.Url.ToString(),
            // Else it takes one from the home of whoever runs the tests.
            ["NIKS3_AUTH_TOKEN_FILE"] = tokenFile ?? empty["token"],
            ["NIX_CONFIG"] = "experimental-features = nix-command",
        }));
    }
}

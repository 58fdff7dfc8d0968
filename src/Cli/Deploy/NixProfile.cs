using System.Globalization;
using OrleansCache.Cli.Common;
using OrleansCache.Cli.Store;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Deploy;

/// <summary>A profile of Nix: a link to a generation, which is a link to a store path.</summary>
internal sealed class NixProfile(string path, IReadOnlyList<string> nixOptions)
{
    private string Next => path + "-next";

    /// <summary>The path in it; null: it has none yet.</summary>
    public string? Current
    {
        get
        {
            var at = path;
            while (new FileInfo(at).LinkTarget is { } target)
            {
                at = Path.GetFullPath(target, Path.GetDirectoryName(at)!);
                if (at.StartsWith(StorePath.StoreDir + "/", StringComparison.Ordinal))
                    return at;
            }

            return null;
        }
    }

    /// <summary>The number of the generation; null: there is none.</summary>
    public int? Generation => new FileInfo(path).LinkTarget is { } target && Path.GetFileName(target).Split('-') is [.., var number, "link"]
        && int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var generation) ? generation : null;

    /// <summary>
    /// Fetches a path with all that it needs, under a root, so that no garbage collection takes it before it is in the profile.
    /// </summary>
    /// <exception cref="CliException">It cannot be had.</exception>
    public Task FetchAsync(string storePath, CancellationToken cancellationToken) =>
        RunAsync("nix-store", [.. nixOptions, "--realise", storePath, "--add-root", Next, "--indirect"], $"{storePath} cannot be fetched",
            cancellationToken);

    /// <summary>Makes a generation of a path, which keeps it, unless the newest one is of that path.</summary>
    public async Task SetAsync(string storePath)
    {
        await RunAsync("nix-env", ["--profile", path, "--set", storePath], $"{path} cannot be set", CancellationToken.None);
        File.Delete(Next);
    }

    /// <summary>Goes back to a generation, or to a new one of that path where the generation was deleted.</summary>
    public async Task ReturnAsync(string storePath, int? generation)
    {
        if (Current == storePath)
            return;
        var number = generation?.ToString(CultureInfo.InvariantCulture);
        if (number is not null && new FileInfo($"{path}-{number}-link").LinkTarget == storePath)
            await RunAsync("nix-env", ["--profile", path, "--switch-generation", number],
                $"{path} cannot be set back", CancellationToken.None);
        else
            await SetAsync(storePath);
    }

    private static async Task RunAsync(string program, string[] arguments, string fault, CancellationToken cancellationToken)
    {
        var output = await NixProgram.RunAsync(program, arguments, cancellationToken);
        if (output.ExitCode != 0)
            throw new CliException(ExitCodes.Failed, $"{fault}: {NixProgram.Errors(output.Stderr)}");
    }
}

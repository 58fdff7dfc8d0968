using OrleansCache.Cli.Common;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Store;

/// <summary>Turns a user's <c>./result</c> or <c>/nix/store/…/bin/hello</c> into the store path that contains it.</summary>
internal static class StoreArgument
{
    // Linux gives up after as many links.
    private const int MaxLinks = 40;

    private const string StorePrefix = StorePath.StoreDir + "/";

    /// <exception cref="CliException">The argument leads to no store path.</exception>
    public static StorePath Resolve(string argument)
    {
        if (argument.Length == 0)
            throw new CliException(ExitCodes.Usage, "An empty argument is not a store path.");
        try
        {
            return Follow(argument);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            // A relative path needs a current directory, which may have been deleted.
            throw new CliException(ExitCodes.Usage, $"{argument} cannot be looked up: {e.Message}", e);
        }
    }

    private static StorePath Follow(string argument)
    {
        var path = Path.GetFullPath(argument);
        for (var links = 0; links <= MaxLinks; links++)
        {
            // Only links outside the store are followed. A link inside a store path, or a store path that is a link, names that store path.
            if (path.StartsWith(StorePrefix, StringComparison.Ordinal))
                return InStore(path, argument);
            if (FollowFirstLink(path) is not { } target)
                break;
            path = target;
        }

        var why = File.Exists(path) || Directory.Exists(path) ? $"does not lead into {StorePath.StoreDir}" : "does not exist";
        if (argument.StartsWith("--", StringComparison.Ordinal))
            throw new CliException(ExitCodes.Usage,
                $"There is no option {argument}; 'orleans-cache push --help' lists the options. A path of that name is written ./{argument}.");
        throw new CliException(ExitCodes.Usage, $"{argument} {why}. Name a path in the store, or a link to one such as ./result.");
    }

    private static StorePath InStore(string path, string argument)
    {
        var name = path[StorePrefix.Length..].Split('/')[0];
        return StorePath.TryParse(name, out var storePath)
            ? storePath
            : throw new CliException(ExitCodes.Usage, $"{argument} leads to {StorePrefix}{name}, which is not a store path.");
    }

    /// <summary>The path with its first symbolic link replaced by what it points to; null when it has none.</summary>
    private static string? FollowFirstLink(string path)
    {
        for (var slash = path.IndexOf('/', 1); ; slash = path.IndexOf('/', slash + 1))
        {
            var prefix = slash < 0 ? path : path[..slash];
            if (new FileInfo(prefix).LinkTarget is { } target)
                return Path.GetFullPath(Path.Combine(Path.GetDirectoryName(prefix)!, target) + path[prefix.Length..]);
            if (slash < 0)
                return null;
        }
    }
}

using OrleansCache.Cli.Common;
using OrleansCache.Cli.Push;

namespace OrleansCache.Cli.Commands;

/// <summary>The result of a push, for a person.</summary>
internal static class PushText
{
    /// <summary>Tells what the cache has otherwise than this machine.</summary>
    public static void Warn(PushResult result, LocalClosure closure, Action<string> note)
    {
        foreach (var conflict in result.Conflicts)
            note($"warning: the cache has other contents of {closure.Paths[conflict].Path} and keeps them " +
                "(a build that is not reproducible)");
        if (result.Unverified.Count > 0)
            note($"warning: another trust group published {Text.Count(result.Unverified.Count, "path")}, " +
                $"{closure.Paths[result.Unverified[0]].Path} for one, and no server has read the bytes");
    }

    public static string Summary(PushResult result, int leftOut)
    {
        var pinned = result.Pin is null ? "" : $"; pinned as {result.Pin}";
        var without = leftOut == 0 ? "" : $"; {Text.Count(leftOut, "root")} left out";
        var elsewhere = result.Upstream == 0 ? "" : $" or upstream ({result.Upstream:N0})";
        var total = Text.Duration(result.Total);
        if (result.Uploaded == 0 && result.Published == 0)
            return $"{Text.Count(result.Paths, "path")}, all of them there already{elsewhere}{pinned}{without} ({total})";
        return $"{Text.Count(result.Paths, "path")}: {result.Present:N0} there already{elsewhere}, {result.Uploaded:N0} uploaded " +
            $"({Text.Bytes(result.NarBytes)}, sent as {Text.Bytes(result.FileBytes)}), " +
            $"{result.Published:N0} published{pinned}{without} ({total})";
    }
}

using OrleansCache.Nix;

namespace OrleansCache.Cli.Common;

/// <summary>The user and the group that a file belongs to, which .NET has no name for.</summary>
internal static class FileOwner
{
    /// <summary>Makes a file belong to whom another one belongs to.</summary>
    /// <exception cref="IOException">This user may not do that.</exception>
    public static void Copy(string from, string to)
    {
        var owner = Ownership.Of(from);
        if (owner != Ownership.Of(to) && !Ownership.TryChange(to, owner.User, owner.Group))
            throw new IOException($"{from} belongs to another user or group, and would no longer if this user replaced it: run the " +
                $"command as the user that it belongs to, or as root ({Platform.LastError()})");
    }
}

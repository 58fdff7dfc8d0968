using System.Globalization;
using OrleansCache.Core.Common;

namespace OrleansCache.Gateway.Embedded;

/// <summary>
/// The user that runs PostgreSQL when we are root, as it refuses to run as root: the owner of its data, else <c>postgres</c>. Never
/// <c>nobody</c>: other daemons that run as that user could read the catalog.
/// </summary>
internal sealed record PostgresUser(uint Uid, uint Gid)
{
    /// <summary>Null when we are an ordinary user: PostgreSQL then runs as the same user.</summary>
    public static PostgresUser? For(string dataFolder)
    {
        if (!Environment.IsPrivilegedProcess)
            return null;
        var owner = Directory.Exists(dataFolder) ? Command.Run("stat", "-c", "%u %g", dataFolder).Output.Split(' ',
            StringSplitOptions.TrimEntries) : [];
        return Choose(owner.Length == 2 && TryNumber(owner[0], out var uid) && TryNumber(owner[1], out var gid)
            ? new PostgresUser(uid, gid) : null, dataFolder, File.ReadAllLines("/etc/passwd"));
    }

    /// <param name="owner">The owner of the data; null while there is none.</param>
    /// <param name="dataFolder">For the message.</param>
    /// <param name="accounts">The lines of <c>/etc/passwd</c>.</param>
    /// <exception cref="StartupException">There is no user for it.</exception>
    internal static PostgresUser Choose(PostgresUser? owner, string dataFolder, IReadOnlyList<string> accounts)
    {
        if (owner is not null && owner.Uid == Find("nobody", accounts)?.Uid)
            throw new StartupException(
                $"{dataFolder} belongs to 'nobody', the user of other programs too: make a user 'postgres' and give the folder to it " +
                $"('chown -R postgres: {dataFolder}').");
        if (owner is { Uid: not 0 })
            return owner;
        return Find("postgres", accounts)
            ?? throw new StartupException(
                "PostgreSQL refuses to run as root, and there is no user 'postgres' to run it as: make one ('useradd --system " +
                "postgres'), start the server as an ordinary user, or name another PostgreSQL with --postgres.");
    }

    private static PostgresUser? Find(string name, IEnumerable<string> accounts)
    {
        // name:password:uid:gid:…
        foreach (var line in accounts)
        {
            var fields = line.Split(':');
            if (fields.Length > 3 && fields[0] == name && TryNumber(fields[2], out var uid)
                && TryNumber(fields[3], out var gid) && uid != 0)
                return new PostgresUser(uid, gid);
        }

        return null;
    }

    private static bool TryNumber(string text, out uint number) =>
        uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number);
}

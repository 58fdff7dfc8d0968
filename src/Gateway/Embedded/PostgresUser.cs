using System.Globalization;
using OrleansCache.Gateway.Hosting;

namespace OrleansCache.Gateway.Embedded;

/// <summary>Whom PostgreSQL runs as when we are root, which it refuses to be: the owner of its data, else <c>postgres</c>, else <c>nobody</c>.</summary>
internal sealed record PostgresUser(uint Uid, uint Gid)
{
    /// <summary>Null when we are an ordinary user: PostgreSQL then runs as we do.</summary>
    public static PostgresUser? For(string dataFolder)
    {
        if (!Environment.IsPrivilegedProcess)
            return null;
        if (Directory.Exists(dataFolder))
        {
            var owner = Command.Run("stat", "-c", "%u %g", dataFolder).Output.Split(' ', StringSplitOptions.TrimEntries);
            if (owner.Length == 2 && TryNumber(owner[0], out var uid) && TryNumber(owner[1], out var gid) && uid != 0)
                return new PostgresUser(uid, gid);
        }

        return Find("postgres") ?? Find("nobody")
            ?? throw new StartupException("PostgreSQL refuses to run as root, and there is neither a user 'postgres' nor 'nobody': make one, or start the server as an ordinary user.");
    }

    private static PostgresUser? Find(string name)
    {
        // name:password:uid:gid:…
        foreach (var line in File.ReadLines("/etc/passwd"))
        {
            var fields = line.Split(':');
            if (fields.Length > 3 && fields[0] == name && TryNumber(fields[2], out var uid) && TryNumber(fields[3], out var gid) && uid != 0)
                return new PostgresUser(uid, gid);
        }

        return null;
    }

    private static bool TryNumber(string text, out uint number) => uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number);
}

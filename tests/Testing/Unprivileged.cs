namespace OrleansCache.Testing;

/// <summary>Runs a program as an ordinary user when the tests run as root: PostgreSQL and PgBouncer refuse root.</summary>
internal static class Unprivileged
{
    private static readonly (string Uid, string Gid)? Account = Environment.UserName == "root" ? FindAccount() : null;

    /// <summary>The command line to use instead of <paramref name="command"/>.</summary>
    public static string[] Command(params string[] command) => Account is { } account
        ? ["setpriv", $"--reuid={account.Uid}", $"--regid={account.Gid}", "--clear-groups", "--", .. command]
        : command;

    /// <summary>Gives a folder to that user.</summary>
    public static async Task OwnAsync(string folder)
    {
        if (Account is { } account)
            (await ProcessRunner.RunAsync("chown", ["-R", $"{account.Uid}:{account.Gid}", folder])).OrThrow();
    }

    public static async Task<ProcessResult> RunAsync(params string[] command)
    {
        var all = Command(command);
        return await ProcessRunner.RunAsync(all[0], all[1..], folder: "/");
    }

    /// <summary>Starts a server that the caller stops by its pid; its output goes to a file.</summary>
    public static async Task DetachAsync(string log, params string[] command)
    {
        // A session of its own: Ctrl-C in the terminal reaches the tests first, which then stop it in order.
        var line = string.Join(' ', Command(command).Select(Reaper.Quote));
        (await ProcessRunner.RunAsync("sh", ["-c", $"setsid {line} </dev/null >>{Reaper.Quote(log)} 2>&1 &"], folder: "/")).OrThrow();
    }

    private static (string Uid, string Gid) FindAccount()
    {
        var accounts = File.ReadLines("/etc/passwd").Select(line => line.Split(':')).ToList();
        var account = accounts.Find(a => a[0] == "postgres") ?? accounts.Find(a => a[0] == "nobody")
            ?? throw new InvalidOperationException("Neither the user postgres nor nobody is in /etc/passwd.");
        return (account[2], account[3]);
    }
}

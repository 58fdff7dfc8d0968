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

    /// <summary>Starts a server.</summary>
    public static ProcessRunner Start(string signalAtExit, params string[] command)
    {
        var all = Command(command);
        return ProcessRunner.Start(all[0], all[1..], folder: "/", signalAtExit: signalAtExit);
    }

    private static (string Uid, string Gid) FindAccount()
    {
        var accounts = File.ReadLines("/etc/passwd").Select(line => line.Split(':')).ToList();
        var account = accounts.Find(a => a[0] == "postgres") ?? accounts.Find(a => a[0] == "nobody")
            ?? throw new InvalidOperationException("Neither the user postgres nor nobody is in /etc/passwd.");
        return (account[2], account[3]);
    }
}

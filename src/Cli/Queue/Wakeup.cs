using OrleansCache.Nix;

namespace OrleansCache.Cli.Queue;

/// <summary>
/// Wakes the daemon of a queue by a connection, which says nothing more; the service manager starts one where none runs.
/// </summary>
internal static class Wakeup
{
    /// <returns>False: nobody listens.</returns>
    public static bool Send(string socket) => LocalSocket.Knock(socket);
}

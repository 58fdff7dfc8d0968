using System.Diagnostics;

namespace OrleansCache.Testing;

/// <summary>
/// Cleans up after this process, however it ends. A small shell in a session of its own reads our clean-up commands from a pipe;
/// when the pipe closes, because we ended or were killed, it runs those that are still registered, newest first.
/// </summary>
/// <remarks>
/// Not <c>PR_SET_PDEATHSIG</c>: that fires when the *thread* that started the child ends, and thread pool threads do.
/// Not <c>ProcessExit</c>: that does not run after kill -9.
/// </remarks>
public static class Reaper
{
    /// <summary>The shell's program: lines <c>+ ID COMMAND</c> and <c>- ID</c> on standard input.</summary>
    public const string Script = """
        exec >/dev/null 2>&1
        declare -A todo
        while read -r op id command; do
          case $op in
            +) todo[$id]=$command ;;
            -) unset "todo[$id]" ;;
          esac
        done
        for id in $(printf '%s\n' "${!todo[@]}" | sort -rn); do eval "${todo[$id]}"; done
        """;

    private static readonly Lock Gate = new();
    private static Process? _shell;
    private static long _lastId;

    /// <summary>Runs the shell command when this process has ended. One line. Disposing takes it back.</summary>
    public static IDisposable AtExit(string command)
    {
        lock (Gate)
        {
            var registration = new Registration(++_lastId);
            Send($"+ {registration.Id} {command}");
            return registration;
        }
    }

    /// <summary>One word of a shell command.</summary>
    public static string Quote(string word) => "'" + word.Replace("'", "'\\''", StringComparison.Ordinal) + "'";

    private static void Send(string line)
    {
        _shell ??= Process.Start(new ProcessStartInfo("setsid", ["bash", "-c", Script]) { RedirectStandardInput = true })
            ?? throw new InvalidOperationException("setsid did not start");
        _shell.StandardInput.WriteLine(line);
        _shell.StandardInput.Flush();
    }

    private sealed class Registration(long id) : IDisposable
    {
        private bool _disposed;

        public long Id => id;

        public void Dispose()
        {
            lock (Gate)
            {
                if (_disposed) return;
                _disposed = true;
                Send($"- {id}");
            }
        }
    }
}

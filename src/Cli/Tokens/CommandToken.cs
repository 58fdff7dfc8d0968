using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using OrleansCache.Cli.Common;

namespace OrleansCache.Cli.Tokens;

/// <summary>The token that a command prints.</summary>
internal sealed class CommandToken(string command, TimeProvider time) : RenewableToken(time)
{
    private const int MaxErrors = 200;
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    public override string Name => $"the command '{command}'";

    protected override async Task<string> LoadAsync(CancellationToken cancellationToken)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        timeout.CancelAfter(Patience);
        using var process = Start();
        try
        {
            // Both streams at once: a program that waits for a full pipe never ends.
            var errors = FirstLineAsync(process.StandardError, timeout.Token);
            var text = new char[MaxLength + 2];
            var token = new string(text, 0, await process.StandardOutput.ReadBlockAsync(text, timeout.Token));
            if (token.Length > MaxLength + 1)
                throw new CliException(ExitCodes.Usage,
                    $"The token command printed more than {MaxLength >> 10} KiB: the token alone is wanted on its standard output.");
            await process.WaitForExitAsync(timeout.Token);
            if (process.ExitCode == 0)
                return Check(token, "What the token command printed");
            var said = await errors;
            throw new CliException(ExitCodes.Failed, string.Create(CultureInfo.InvariantCulture,
                $"The token command '{command}' ended with exit code {process.ExitCode}{(said.Length == 0 ? "." : $": {said}")}"));
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new CliException(ExitCodes.Failed,
                $"The token command '{command}' did not end within {Patience.TotalMinutes:0} minutes. Does it wait for input? It gets none.");
        }
        finally
        {
            End(process);
        }
    }

    private static async Task<string> FirstLineAsync(StreamReader reader, CancellationToken cancellationToken)
    {
        var start = new char[MaxErrors];
        var first = new string(start, 0, await reader.ReadBlockAsync(start, cancellationToken)).Trim().Split('\n')[0].Trim();
        var rest = new char[4096];
        while (await reader.ReadAsync(rest, cancellationToken) > 0)
        {
            // A program that finds nobody reading would stand still.
        }

        return new string([.. first.Where(c => !char.IsControl(c))]);
    }

    private Process Start()
    {
        var start = new ProcessStartInfo("/bin/sh")
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.ArgumentList.Add("-c");
        start.ArgumentList.Add(command);
        try
        {
            var process = Process.Start(start)!;
            process.StandardInput.Close();
            return process;
        }
        catch (Win32Exception e)
        {
            throw new CliException(ExitCodes.Usage, $"The token command cannot be run: {e.Message}", e);
        }
    }

    private static void End(Process process)
    {
        try
        {
            if (!process.HasExited)
                process.Kill(entireProcessTree: true);
        }
        catch (Exception e) when (e is InvalidOperationException or Win32Exception or AggregateException)
        {
            // It has ended meanwhile.
        }
    }
}

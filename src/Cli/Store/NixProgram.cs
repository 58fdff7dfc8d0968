using System.ComponentModel;
using System.Diagnostics;
using OrleansCache.Cli.Common;

namespace OrleansCache.Cli.Store;

/// <summary>Runs programs of Nix and collects what they print.</summary>
internal static class NixProgram
{
    public sealed record Output(int ExitCode, byte[] Stdout, string Stderr);

    /// <exception cref="CliException">The program is not installed.</exception>
    public static async Task<Output> RunAsync(string program, IEnumerable<string> arguments, CancellationToken cancellationToken)
    {
        var start = new ProcessStartInfo(Find(program) ?? throw NotFound(program, "it is not there"))
        {
            // Our own current directory may have been deleted, and all paths are absolute.
            WorkingDirectory = "/",
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var argument in arguments)
            start.ArgumentList.Add(argument);
        using var process = Start(start);
        process.StandardInput.Close();
        using var stdout = new MemoryStream();
        try
        {
            // Both streams at once: a program that waits for a full pipe never ends.
            var stderr = process.StandardError.ReadToEndAsync(cancellationToken);
            await process.StandardOutput.BaseStream.CopyToAsync(stdout, cancellationToken);
            var errors = await stderr;
            await process.WaitForExitAsync(cancellationToken);
            return new Output(process.ExitCode, stdout.ToArray(), errors);
        }
        catch (OperationCanceledException)
        {
            try
            {
                process.Kill();
            }
            catch (InvalidOperationException)
            {
                // The program has ended already.
            }

            throw;
        }
    }

    /// <summary>The lines of Nix's stderr without empty ones and warnings.</summary>
    public static string Errors(string stderr) =>
        string.Join('\n', stderr.Split('\n').Select(line => line.TrimEnd())
            .Where(line => line.Length > 0 && !line.StartsWith("warning:", StringComparison.Ordinal)));

    private static Process Start(ProcessStartInfo start)
    {
        try
        {
            return Process.Start(start)!;
        }
        catch (Win32Exception e)
        {
            throw NotFound(start.FileName, e.Message, e);
        }
    }

    private static CliException NotFound(string program, string why, Exception? inner = null) =>
        new(ExitCodes.Usage, $"'{program}' cannot be run ({why}). Is Nix installed, and in PATH?", inner);

    /// <summary>The program in PATH. The runtime would first look in the current directory, which must then exist.</summary>
    private static string? Find(string program) => program.Contains('/', StringComparison.Ordinal)
        ? Path.GetFullPath(program)
        : (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':')
            .Where(Path.IsPathRooted).Select(folder => Path.Combine(folder, program)).FirstOrDefault(IsExecutable);

    private static bool IsExecutable(string path)
    {
        const UnixFileMode Executable = UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;
        try
        {
            return File.Exists(path) && (OperatingSystem.IsWindows() || (File.GetUnixFileMode(path) & Executable) != 0);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}

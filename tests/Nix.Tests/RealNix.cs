using System.Diagnostics;

namespace OrleansCache.Nix.Tests;

/// <summary>The Nix of this machine.</summary>
internal static class RealNix
{
    public static bool IsInstalled { get; } =
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(folder => File.Exists(Path.Combine(folder, "nix-store")));

    /// <returns>What it printed.</returns>
    public static byte[] Run(string program, params ReadOnlySpan<string> arguments)
    {
        using var process = Start(program, arguments);
        var error = process.StandardError.ReadToEndAsync();
        using var output = new MemoryStream();
        process.StandardOutput.BaseStream.CopyTo(output);
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"{program} {string.Join(' ', process.StartInfo.ArgumentList)} failed: {error.Result}");
        return output.ToArray();
    }

    public static Process Start(string program, params ReadOnlySpan<string> arguments)
    {
        var start = new ProcessStartInfo(program) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var argument in arguments)
            start.ArgumentList.Add(argument);
        start.Environment["NIX_CONFIG"] = "build-users-group =\nsubstitute = false\nexperimental-features = nix-command\n";
        return Process.Start(start)!;
    }
}

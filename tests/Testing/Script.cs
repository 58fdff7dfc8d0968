using System.Diagnostics;

namespace OrleansCache.Testing;

/// <summary>Programs that tests write.</summary>
public static class Script
{
    /// <summary>
    /// Writes an executable script. Another process does it: a descriptor of this one, which a child that another test starts at that
    /// moment inherits until it runs its own program, would have the kernel refuse to run the script ("Text file busy").
    /// </summary>
    public static void Write(string path, string text)
    {
        using var shell = Process.Start(new ProcessStartInfo("sh", ["-c", """cat > "$0" && chmod 700 "$0" """, path])
        {
            RedirectStandardInput = true,
        })!;
        shell.StandardInput.Write(text);
        shell.StandardInput.Close();
        shell.WaitForExit();
        if (shell.ExitCode != 0)
            throw new IOException($"{path} could not be written");
    }
}

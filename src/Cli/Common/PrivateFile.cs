using System.Security.Cryptography;

namespace OrleansCache.Cli.Common;

/// <summary>Replaces files as a whole: whoever reads meanwhile sees the old text or the new one. A link stays one.</summary>
internal static class PrivateFile
{
    private const UnixFileMode Own = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode Others = UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute;

    /// <summary>Writes a file that its owner alone can read.</summary>
    public static void Write(string path, ReadOnlySpan<byte> content) => Write(RealPath.Of(path), content, Own, null);

    /// <summary>Writes a file that keeps its owner, group and mode.</summary>
    /// <param name="path">The file, or a link to it.</param>
    /// <param name="content">All of it.</param>
    /// <param name="mode">Of a file that is not there yet.</param>
    /// <param name="isSecret">Users who are neither its owner nor of its group lose their rights.</param>
    /// <exception cref="IOException">This user cannot, or the file would belong to somebody else.</exception>
    public static void Replace(string path, ReadOnlySpan<byte> content, UnixFileMode mode, bool isSecret)
    {
        var target = RealPath.Of(path);
        var former = File.Exists(target) ? target : null;
        if (former is not null && !OperatingSystem.IsWindows())
            mode = File.GetUnixFileMode(former);
        Write(target, content, isSecret ? mode & ~Others : mode, former);
    }

    private static void Write(string target, ReadOnlySpan<byte> content, UnixFileMode mode, string? former)
    {
        // A name that nobody can have put there before.
        var beside = $"{target}.{RandomNumberGenerator.GetHexString(16, lowercase: true)}.new";
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = Own;
        using (var file = new FileStream(beside, options))
        {
            try
            {
                file.Write(content);
                file.Flush(flushToDisk: true);
                if (former is not null)
                    FileOwner.Copy(former, beside);
                if (!OperatingSystem.IsWindows())
                    File.SetUnixFileMode(beside, mode);
                File.Move(beside, target, overwrite: true);
            }
            catch
            {
                File.Delete(beside);
                throw;
            }
        }
    }
}

using System.Globalization;

namespace OrleansCache.Testing;

/// <summary>A file system of a few MiB, in memory, mounted on a folder.</summary>
public sealed class SmallDisk : IAsyncDisposable
{
    private static readonly Lazy<Task<string?>> Reason = new(FindReasonAsync);

    private SmallDisk(string folder) => Folder = folder;

    public string Folder { get; }

    public long Free => new DriveInfo(Folder).AvailableFreeSpace;

    /// <summary>Why tests cannot have one here; null: they can.</summary>
    public static string? MissingReason => Reason.Value.GetAwaiter().GetResult();

    /// <summary>Mounts one on a folder, with what the folder holds.</summary>
    public static async Task<SmallDisk> OnAsync(string folder, int mebibytes)
    {
        using var kept = new TempFolder();
        (await ProcessRunner.RunAsync("cp", ["-a", folder + "/.", kept.Path])).OrThrow();
        (await MountAsync(folder, mebibytes)).OrThrow();
        (await ProcessRunner.RunAsync("cp", ["-a", kept.Path + "/.", folder])).OrThrow();
        return new SmallDisk(folder);
    }

    /// <summary>Takes all space but so many bytes, by a file that it returns.</summary>
    public async Task<string> FillAsync(long left = 0)
    {
        var file = Path.Combine(Folder, ".ballast");
        await ProcessRunner.RunAsync("dd", ["if=/dev/zero", $"of={file}", "bs=4096",
            string.Create(CultureInfo.InvariantCulture, $"count={Math.Max(0, (Free - left + 4095) / 4096)}"), "status=none"]);
        return file;
    }

    public async ValueTask DisposeAsync() => await ProcessRunner.RunAsync("umount", ["-l", Folder]);

    private static async Task<string?> FindReasonAsync()
    {
        using var folder = new TempFolder();
        var mounted = await MountAsync(folder.Path, 1);
        if (mounted.ExitCode != 0)
            return $"no file system can be mounted here: {mounted.Errors.Trim()}";
        await ProcessRunner.RunAsync("umount", [folder.Path]);
        return null;
    }

    private static Task<ProcessResult> MountAsync(string folder, int mebibytes) =>
        ProcessRunner.RunAsync("mount", ["-t", "tmpfs", "-o", string.Create(CultureInfo.InvariantCulture, $"size={mebibytes}m,mode=755"),
            "tmpfs", folder]);
}

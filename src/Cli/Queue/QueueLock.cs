using OrleansCache.Cli.Common;

namespace OrleansCache.Cli.Queue;

/// <summary>A queue has one daemon: the one that holds the lock. It ends with the process, however that ends.</summary>
internal sealed class QueueLock : IDisposable
{
    // A command that asks whether a daemon runs holds the lock for a moment.
    private const int MaxTries = 20;
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(50);

    private readonly FileStream _file;

    private QueueLock(FileStream file) => _file = file;

    /// <exception cref="CliException">Another daemon has it.</exception>
    public static async Task<QueueLock> TakeAsync(QueueFolder folder, CancellationToken cancellationToken)
    {
        for (var tries = 1; ; tries++)
        {
            if (Try(folder) is { } file)
                return new QueueLock(file);
            if (tries == MaxTries)
                throw new CliException(ExitCodes.Failed,
                    $"Another daemon runs for the queue {folder.Path}: 'orleans-cache queue status' tells what it does.");
            await Task.Delay(Pause, cancellationToken);
        }
    }

    public static bool IsTaken(QueueFolder folder)
    {
        if (!File.Exists(folder.Lock))
            return false;
        using var file = Try(folder);
        return file is null;
    }

    public void Dispose() => _file.Dispose();

    private static FileStream? Try(QueueFolder folder)
    {
        try
        {
            return new FileStream(folder.Lock, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException e) when (e is not DirectoryNotFoundException)
        {
            return null;
        }
    }
}

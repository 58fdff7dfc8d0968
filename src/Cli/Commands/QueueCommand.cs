using System.CommandLine;
using OrleansCache.Cli.Common;
using OrleansCache.Cli.Queue;

namespace OrleansCache.Cli.Commands;

/// <summary><c>hook</c>, and <c>queue run|status|flush|pause|resume</c></summary>
internal static class QueueCommand
{
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(100);

    // Enough for the service manager to start a daemon on a busy machine.
    private static readonly TimeSpan StartPatience = TimeSpan.FromSeconds(30);

    /// <summary>Described here; the program runs it before all else.</summary>
    public static Command Hook()
    {
        var queue = Queue();
        var command = new Command("hook", "Queue what Nix has built: its post-build-hook, which never waits and never fails.") { queue };
        command.SetAction(result => Cli.Queue.Hook.Run(result.GetValue(queue) is { } named ? ["hook", "--queue", named] : ["hook"],
            Environment.GetEnvironmentVariable));
        return command;
    }

    public static Command Create(CommonOptions common)
    {
        var queue = Queue();
        queue.Recursive = true;
        return new Command("queue", "What the hook has queued: push it, and see what waits and why.")
        {
            queue, QueueRunCommand.Create(common, queue), Status(queue), Flush(queue), Pause(queue), Resume(queue)
        };
    }

    private static Option<string?> Queue() => new("--queue")
    {
        Description = $"The folder of the queue. Else ${QueueFolder.Variable}, the configuration file, that of the user, as root " +
            "/var/lib/orleans-cache-queue.",
        HelpName = "DIR",
    };

    private static QueueFolder FolderOf(ParseResult result, Option<string?> queue) =>
        QueueFolder.Find(result.GetValue(queue), Environment.GetEnvironmentVariable);

    private static Command Status(Option<string?> queue)
    {
        var json = new Option<bool>("--json") { Description = "Print one line of JSON." };
        var command = new Command("status", "What waits, since when and why; what was not pushed.") { json };
        command.SetAction(result =>
        {
            var status = QueueStatus.Of(FolderOf(result, queue), DateTimeOffset.UtcNow);
            Console.Out.WriteLine(result.GetValue(json) ? status.ToJson() : status.ToText());
        });
        return command;
    }

    private static Command Flush(Option<string?> queue)
    {
        var wait = new Option<bool>("--wait")
        {
            Description = "Wait until all that waits has been tried; fail when something still waits.",
        };
        var command = new Command("flush", "Try all that waits at once.") { wait };
        command.SetAction(async (result, cancellationToken) =>
        {
            var folder = FolderOf(result, queue);
            folder.Create();
            if (File.Exists(folder.Paused))
                throw new CliException(ExitCodes.Failed,
                    "The queue is paused, so nothing is pushed: 'orleans-cache queue resume' ends that.");
            var word = Guid.NewGuid().ToString("N");
            PrivateFile.Write(folder.Flush, System.Text.Encoding.ASCII.GetBytes(word));
            Wakeup.Send(folder.Socket);
            return result.GetValue(wait) ? await WaitAsync(folder, word, cancellationToken) : ExitCodes.Ok;
        });
        return command;
    }

    private static async Task<int> WaitAsync(QueueFolder folder, string word, CancellationToken cancellationToken)
    {
        var begun = TimeProvider.System.GetTimestamp();
        while (QueueState.Load(folder.State).Flushed != word)
        {
            if (!QueueLock.IsTaken(folder) && TimeProvider.System.GetElapsedTime(begun) > StartPatience)
                throw new CliException(ExitCodes.Failed,
                    $"No daemon runs for the queue {folder.Path}: start 'orleans-cache queue run', or its units.");
            await Task.Delay(Look, cancellationToken);
        }

        var status = QueueStatus.Of(folder, DateTimeOffset.UtcNow);
        if (status.Waiting == 0)
            return ExitCodes.Ok;
        await Console.Error.WriteLineAsync(status.ToText());
        return ExitCodes.Failed;
    }

    private static Command Pause(Option<string?> queue)
    {
        var command = new Command("pause", "Push nothing until 'queue resume'. Hooks go on queueing.");
        command.SetAction(result =>
        {
            var folder = FolderOf(result, queue);
            folder.Create();
            QueueFolder.Mark(folder.Paused, true);
        });
        return command;
    }

    private static Command Resume(Option<string?> queue)
    {
        var command = new Command("resume", "Push again.");
        command.SetAction(result =>
        {
            var folder = FolderOf(result, queue);
            QueueFolder.Mark(folder.Paused, false);
            Wakeup.Send(folder.Socket);
        });
        return command;
    }
}

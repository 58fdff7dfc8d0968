using OrleansCache.Cli.Common;

namespace OrleansCache.Cli.Deploy;

/// <summary>One run at a time changes a profile: the one that holds the lock. It ends with the process, however that ends.</summary>
internal sealed class DeployLock : IDisposable
{
    private readonly FileStream _file;

    private DeployLock(FileStream file) => _file = file;

    /// <exception cref="CliException">Another run has it.</exception>
    public static DeployLock Take(DeployPlan plan)
    {
        try
        {
            return new DeployLock(new FileStream(plan.Lock, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None));
        }
        catch (IOException e) when (e is not DirectoryNotFoundException)
        {
            throw new CliException(ExitCodes.Failed,
                $"Another run deploys to {plan.Profile}: wait for its end, or stop its service, and run this again.", e);
        }
    }

    public void Dispose() => _file.Dispose();
}

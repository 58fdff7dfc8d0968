using OrleansCache.Cli.Common;

namespace OrleansCache.Cli.Terminal;

/// <summary>Asks the person at the terminal before something is done.</summary>
internal static class Confirmation
{
    /// <param name="question">Such as <c>Write this?</c></param>
    /// <param name="undone">What it means when nobody says yes, a sentence.</param>
    /// <param name="otherwise">What to do where nobody can be asked, a clause.</param>
    /// <exception cref="CliException">The person does not say yes, or there is none.</exception>
    public static void Demand(string question, string undone, string otherwise)
    {
        if (Console.IsInputRedirected || StandardStreams.InputIsClosed)
            throw new CliException(ExitCodes.Usage, $"{undone} Nobody can be asked: {otherwise}.");
        Console.Error.Write($"{question} [y/N] ");
        if (Console.In.ReadLine()?.Trim() is not ("y" or "Y" or "yes"))
            throw new CliException(ExitCodes.Failed, undone);
    }
}

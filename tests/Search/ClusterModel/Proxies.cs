using System.Globalization;
using System.Reflection;
using OrleansCache.Contracts;

namespace OrleansCache.ClusterModel.Tests;

/// <summary>What a gateway finds under a grain's name: its newest activation.</summary>
public class NamedGrains : DispatchProxy
{
    private IGrainFactory _real = null!;
    private ScheduledGrains _grains = null!;

    internal static IGrainFactory Over(IGrainFactory real, ScheduledGrains grains)
    {
        var named = Create<IGrainFactory, NamedGrains>();
        ((NamedGrains)(object)named)._real = real;
        ((NamedGrains)(object)named)._grains = grains;
        return named;
    }

    protected override object? Invoke(MethodInfo? targetMethod, object?[]? args)
    {
        args![0] = _grains.NameNow((string)args[0]!);
        return targetMethod!.Invoke(_real, BindingFlags.DoNotWrapExceptions, null, args, CultureInfo.InvariantCulture);
    }
}

/// <summary>Grains have timers, which go by the machine's clock: after the schedule they find that their push has ended.</summary>
public class EndingPushes : DispatchProxy
{
    private IPushes _direct = null!;
    private ScheduledGrains _grains = null!;

    internal static IPushes Over(IPushes direct, ScheduledGrains grains)
    {
        var ending = Create<IPushes, EndingPushes>();
        ((EndingPushes)(object)ending)._direct = direct;
        ((EndingPushes)(object)ending)._grains = grains;
        return ending;
    }

    protected override object? Invoke(MethodInfo? targetMethod, object?[]? args) => _grains.IsOver
        ? throw new CacheProblemException(ProblemKind.UnknownPush, "Its schedule is over.")
        : targetMethod!.Invoke(_direct, BindingFlags.DoNotWrapExceptions, null, args, CultureInfo.InvariantCulture) is var answer
            && answer is IPushes other
            ? Over(other, _grains)
            : answer;
}
